"""Which asset is judged by which rules, over which measurements: the table of all checks."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from stock_platform.contracts import (
    ASSET_CHECK_RESULT,
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
    TABLES,
    Table,
)
from stock_platform.lake.paths import ERP_KINDS, ErpKind
from stock_platform.limits import QualityLimits
from stock_platform.quality import catalogue
from stock_platform.quality.checks import Context, Measured, Measures, WholeMeasure, asset_checks
from stock_platform.quality.measures import lake, tables
from stock_platform.quality.measures.bars import bar_sessions
from stock_platform.quality.measures.returns import session_returns
from stock_platform.resources import LakeResource, WarehouseResource
from stock_platform.settings import Settings


def all_checks(
    settings: Settings, days: dg.TimeWindowPartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """Every check of the graph, over the deployment's trading days and by its limits."""
    measures = {
        "raw_stock_prices": (catalogue.RAW, _raw(settings)),
        "processed_stock_prices": (catalogue.PROCESSED, _processed(settings.quality)),
        FACT_STOCK_PRICE.name: (catalogue.PRICES, _prices()),
        FACT_CORPORATE_ACTION.name: (catalogue.ACTIONS, _actions()),
        STOCK_PRICE_ADJUSTED.name: (
            catalogue.ADJUSTED,
            Measures(whole=lambda _, it: tables.adjusted_view(it.open())),
        ),
        ASSET_CHECK_RESULT.name: (catalogue.RESULTS, _table(ASSET_CHECK_RESULT)),
        **{f"raw_erp_{kind}": (catalogue.ERP, _erp(kind)) for kind in ERP_KINDS},
        **{name: (rules, _table(TABLES[name])) for name, rules in catalogue.DIMENSIONS.items()},
    }
    deployment = Context(days, settings.quality)
    return [asset_checks(deployment, asset, *it) for asset, it in measures.items()]


def _erp(kind: ErpKind) -> Measures:
    return Measures(whole=lambda it, _: lake.erp_batch(it.paths, kind))


def _raw(settings: Settings) -> Measures:
    def sessions(store: LakeResource, _: WarehouseResource, keys: Sequence[str]) -> Measured:
        return Measured(lake.raw_sessions(store.paths, keys))

    def whole(store: LakeResource, _: WarehouseResource) -> object:
        return lake.newest_prices(
            store.paths,
            settings.exchanges,
            (settings.start_date, settings.last_date),
            datetime.now(UTC),
            settings.quality,
        )

    return Measures(sessions, whole)


def _processed(limits: QualityLimits) -> Measures:
    def sessions(store: LakeResource, _: WarehouseResource, keys: Sequence[str]) -> Measured:
        found = bar_sessions(store.paths, keys, limits)
        return Measured(lake.processed_sessions(store.paths, keys, found.bars), found)

    return Measures(sessions)


def _prices() -> Measures:
    def sessions(store: LakeResource, it: WarehouseResource, keys: Sequence[str]) -> Measured:
        warehouse = it.open()
        counts = tables.fact_sessions(
            store.paths, warehouse, FACT_STOCK_PRICE, "stock_prices", keys
        )
        return Measured(counts, session_returns(warehouse, keys))

    # Returns are made of prices and actions.
    return Measures(sessions, _contract(FACT_STOCK_PRICE), after=(FACT_CORPORATE_ACTION.name,))


def _actions() -> Measures:
    def sessions(store: LakeResource, it: WarehouseResource, keys: Sequence[str]) -> Measured:
        return Measured(
            tables.fact_sessions(
                store.paths, it.open(), FACT_CORPORATE_ACTION, "corporate_actions", keys
            )
        )

    return Measures(sessions, _contract(FACT_CORPORATE_ACTION))


def _contract(table: Table) -> WholeMeasure:
    return lambda _, it: tables.contract(it.open(), table)


def _table(table: Table) -> Measures:
    return Measures(whole=lambda _, it: tables.whole_table(it.open(), table))
