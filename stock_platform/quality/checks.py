"""The checks: one line binds a rule to an asset. What a rule means is said in `rules`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from stock_platform.contracts import (
    DIM_COMPANY,
    DIM_DATE,
    DIM_EXCHANGE,
    DIM_TRADING_SESSION,
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    Table,
)
from stock_platform.lake.paths import ERP_KINDS, ErpKind, ProcessedTable
from stock_platform.quality import measures, rules
from stock_platform.quality.recording import latest_materializations, result, sessions_result
from stock_platform.quality.rules import Verdict
from stock_platform.resources import LakeResource, WarehouseResource

# Sessions to their measurements, which every rule of the asset takes.
Measure = Callable[[LakeResource, WarehouseResource, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True)
class Bound:
    """A rule bound to an asset; blocking where data would be wrong downstream."""

    rule: Callable[[Any], Verdict]
    blocking: bool = False


ERP_RULES = (Bound(rules.every_row_accepted),)
RAW_RULES = (
    Bound(rules.complete_for_session, blocking=True),
    Bound(rules.no_upstream_errors, blocking=True),
)
PROCESSED_RULES = (
    Bound(rules.every_line_accounted_for, blocking=True),
    Bound(rules.quarantine_share, blocking=True),
)
FACT_RULES = (
    Bound(rules.primary_key_unique, blocking=True),
    Bound(rules.rows_reconcile, blocking=True),
    Bound(rules.foreign_keys_resolve),
)
DIMENSION_RULES = (
    Bound(rules.has_rows, blocking=True),
    Bound(rules.primary_key_unique, blocking=True),
    Bound(rules.foreign_keys_resolve),
)


def all_checks(days: dg.TimeWindowPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """Every check of the graph, over the deployment's trading days."""
    return [
        *(_erp_checks(kind, ERP_RULES) for kind in ERP_KINDS),
        _session_checks("raw_stock_prices", RAW_RULES, _raw, days),
        _session_checks("processed_stock_prices", PROCESSED_RULES, _processed, days),
        _session_checks(
            FACT_STOCK_PRICE.name, FACT_RULES, _fact(FACT_STOCK_PRICE, "stock_prices"), days
        ),
        _session_checks(
            FACT_CORPORATE_ACTION.name,
            FACT_RULES,
            _fact(FACT_CORPORATE_ACTION, "corporate_actions"),
            days,
        ),
        *(
            _table_checks(table, DIMENSION_RULES)
            for table in (DIM_EXCHANGE, DIM_COMPANY, DIM_DATE, DIM_TRADING_SESSION)
        ),
    ]


def _raw(lake: LakeResource, _: WarehouseResource, keys: Sequence[str]) -> Mapping[str, Any]:
    return measures.raw_sessions(lake.paths, keys)


def _processed(lake: LakeResource, _: WarehouseResource, keys: Sequence[str]) -> Mapping[str, Any]:
    return measures.processed_sessions(lake.paths, keys)


def _fact(table: Table, source: ProcessedTable) -> Measure:
    def measure(
        lake: LakeResource, warehouse: WarehouseResource, keys: Sequence[str]
    ) -> Mapping[str, Any]:
        return measures.fact_sessions(lake.paths, warehouse.open(), table, source, keys)

    return measure


def _session_checks(
    asset: str, bound: Sequence[Bound], measure: Measure, days: dg.TimeWindowPartitionsDefinition
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=f"{asset}_checks", specs=_specs(asset, bound, days), can_subset=True)
    def checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        asset_key = dg.AssetKey(asset)
        keys = _session_keys(context)
        targets = latest_materializations(context.instance, asset_key, keys)
        measured = measure(lake, warehouse, keys)
        for check, rule in _selected(context, asset_key, bound):
            verdicts = {session: rule(measured[session]) for session in keys}
            yield sessions_result(context, check, verdicts, targets)

    return checks


def _erp_checks(kind: ErpKind, bound: Sequence[Bound]) -> dg.AssetChecksDefinition:
    asset = f"raw_erp_{kind}"

    @dg.multi_asset_check(name=f"{asset}_checks", specs=_specs(asset, bound, None), can_subset=True)
    def checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        measured = measures.erp_batch(lake.paths, kind)
        for check, rule in _selected(context, dg.AssetKey(asset), bound):
            yield result(check, rule(measured))

    return checks


def _table_checks(table: Table, bound: Sequence[Bound]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{table.name}_checks", specs=_specs(table.name, bound, None), can_subset=True
    )
    def checks(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        measured = measures.whole_table(warehouse.open(), table)
        for check, rule in _selected(context, dg.AssetKey(table.name), bound):
            yield result(check, rule(measured))

    return checks


def _specs(
    asset: str, bound: Sequence[Bound], days: dg.TimeWindowPartitionsDefinition | None
) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name=it.rule.__name__,
            asset=asset,
            description=it.rule.__doc__,
            blocking=it.blocking,
            partitions_def=days,
        )
        for it in bound
    ]


def _selected(
    context: dg.AssetCheckExecutionContext, asset_key: dg.AssetKey, bound: Sequence[Bound]
) -> Iterator[tuple[dg.AssetCheckKey, Callable[[Any], Verdict]]]:
    for it in bound:
        check = dg.AssetCheckKey(asset_key, it.rule.__name__)
        if check in context.selected_asset_check_keys:
            yield check, it.rule


def _session_keys(context: dg.AssetCheckExecutionContext) -> list[str]:
    """The sessions of the run.

    Raises:
        dagster.Failure: the run names none; Dagster could not tell what was judged.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            "these checks are judged session by session: execute them for a partition, or for a "
            "range of them, as the asset's Materialize dialog does"
        )
    return sorted(context.partition_keys)
