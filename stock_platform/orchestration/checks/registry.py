"""The registry of checks: every check of every asset, and the measurements that they evaluate.

To add a check, write a pure rule in `quality.rules` and add one line here. Its name and its
description are the rule's. How checks are executed by Dagster is in `factory`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import getdoc
from typing import Any, Final, Literal

import pandas as pd

from stock_platform import contracts
from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, Table
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.quality.measures.bars import BarSessions, measure_bars
from stock_platform.quality.measures.erp import measure_erp
from stock_platform.quality.measures.freshness import price_freshness
from stock_platform.quality.measures.processed import measure_processed_sessions
from stock_platform.quality.measures.raw import measure_raw_sessions
from stock_platform.quality.measures.returns import measure_returns
from stock_platform.quality.measures.tables import (
    measure_adjusted_view,
    measure_contract,
    measure_fact_sessions,
    measure_table,
)
from stock_platform.quality.rules import bars, erp, processed, raw, tables
from stock_platform.quality.rules.result import RuleResult
from stock_platform.settings import Settings
from stock_platform.settings.quality import QualityLimits
from stock_platform.warehouse.interface import Warehouse


@dataclass(frozen=True)
class Sources:
    """The places that measurements are read from; the warehouse is opened only if needed."""

    settings: Settings
    paths: LakePaths
    open_warehouse: Callable[[], Warehouse]


@dataclass(frozen=True)
class Measurement:
    """The measurement of some sessions: one value per session, and all their bars."""

    sessions: Mapping[str, Any]
    bars: BarSessions = field(default_factory=lambda: BarSessions(pd.DataFrame({"Session": []})))


@dataclass(frozen=True)
class Check:
    """A rule that is evaluated for an asset.

    Attributes:
        rule: takes a measurement and the thresholds.
        scope: the measured unit: a session, the bars of all sessions, or the asset as a whole.
        blocking: an error stops downstream assets.
        before_commit: evaluated by the step of the asset itself, before its data exists.
    """

    rule: Callable[[Any, QualityLimits], Any]
    scope: Literal["session", "bar", "asset"]
    blocking: bool = False
    before_commit: bool = False

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.rule.__name__

    @property
    def description(self) -> str:
        """The docstring of the rule, with thresholds as environment variables."""
        return (getdoc(self.rule) or "").replace("QUALITY__", "STOCK_PLATFORM_QUALITY__")

    def session_results(
        self, measurement: Measurement, sessions: Iterable[str], limits: QualityLimits
    ) -> dict[str, RuleResult]:
        """Evaluate a rule for sessions or bars; bars of neighbouring sessions are included."""
        if self.scope == "session":
            return {key: self.rule(measurement.sessions[key], limits) for key in sessions}
        failed = self.rule(measurement.bars.bars, limits)
        keys = [*sessions, *measurement.bars.neighbours]
        return bars.session_results(failed, measurement.bars.counts, keys)


SessionsMeasure = Callable[[Sources, Sequence[str]], Measurement]
AssetMeasure = Callable[[Sources], Any]


@dataclass(frozen=True)
class AssetMeasurements:
    """The checks of an asset and their measurements.

    Attributes:
        checks: the checks, which are measured together and can be selected one by one.
        sessions: measures sessions, for checks whose scope is a session or a bar.
        whole: measures the asset as a whole, for checks whose scope is the asset.
        additional_deps: other assets that the measurements read.
    """

    checks: tuple[Check, ...]
    sessions: SessionsMeasure | None = None
    whole: AssetMeasure | None = None
    additional_deps: tuple[str, ...] = ()


def _raw_sessions(sources: Sources, sessions: Sequence[str]) -> Measurement:
    return Measurement(measure_raw_sessions(sources.paths, sessions))


def _freshness(sources: Sources) -> raw.Freshness:
    settings = sources.settings
    between = settings.start_date, settings.last_date
    return price_freshness(
        sources.paths, settings.exchanges, between, datetime.now(UTC), settings.quality
    )


def _processed_sessions(sources: Sources, sessions: Sequence[str]) -> Measurement:
    state = read_state(sources.paths)
    found = measure_bars(sources.paths, state, sessions, sources.settings.quality)
    return Measurement(measure_processed_sessions(sources.paths, state, sessions), found)


def _price_sessions(sources: Sources, sessions: Sequence[str]) -> Measurement:
    paths, warehouse = sources.paths, sources.open_warehouse()
    measured = measure_fact_sessions(paths, warehouse, FACT_STOCK_PRICE, sessions)
    return Measurement(measured, measure_returns(warehouse, sessions))


def _action_sessions(sources: Sources, sessions: Sequence[str]) -> Measurement:
    paths, warehouse = sources.paths, sources.open_warehouse()
    return Measurement(measure_fact_sessions(paths, warehouse, FACT_CORPORATE_ACTION, sessions))


def _erp(kind: ErpKind) -> AssetMeasurements:
    checks = (
        Check(erp.files_accepted, "asset"),
        Check(erp.load_ledger_is_readable, "asset"),
        Check(erp.all_rows_accepted, "asset"),
    )
    return AssetMeasurements(checks, whole=lambda sources: measure_erp(sources.paths, kind))


def _table(table: Table, *checks: Check) -> dict[str, AssetMeasurements]:
    def measure(sources: Sources) -> tables.TableMeasure:
        return measure_table(sources.open_warehouse(), table)

    return {table.name: AssetMeasurements(checks, whole=measure)}


def _contract(table: Table) -> AssetMeasure:
    return lambda sources: measure_contract(sources.open_warehouse(), table)


_DIMENSION: Final = (
    Check(tables.has_rows, "asset", blocking=True),
    Check(tables.primary_key_unique, "asset", blocking=True),
    Check(tables.foreign_keys_resolve, "asset"),
    Check(tables.contract_matches, "asset"),
)
_FACT: Final = (
    Check(tables.primary_key_unique, "session", blocking=True),
    Check(tables.rows_reconcile, "session", blocking=True),
    Check(tables.foreign_keys_resolve, "session"),
    Check(tables.contract_matches, "asset"),
)

REGISTRY: Final[Mapping[str, AssetMeasurements]] = {
    "raw_erp_companies": _erp("companies"),
    "raw_erp_exchanges": _erp("exchanges"),
    "raw_stock_prices": AssetMeasurements(
        (
            *(Check(rule, "session", blocking=True) for rule in raw.BLOCKING_RULES),
            Check(raw.fresh, "asset"),
        ),
        _raw_sessions,
        _freshness,
    ),
    "processed_stock_prices": AssetMeasurements(
        (
            *(
                Check(rule, "session", blocking=True, before_commit=True)
                for rule in processed.BLOCKING_RULES
            ),
            Check(bars.unit_scale, "bar"),
            Check(bars.unexplained_move, "bar"),
            Check(bars.split_applied, "bar"),
            Check(bars.stale_price, "bar"),
            Check(bars.dividend_plausible, "bar"),
        ),
        _processed_sessions,
    ),
    FACT_STOCK_PRICE.name: AssetMeasurements(
        (*_FACT, Check(tables.no_gaps, "session"), Check(bars.adjusted_close_agrees, "bar")),
        _price_sessions,
        _contract(FACT_STOCK_PRICE),
        # Returns are computed from prices and actions.
        additional_deps=(FACT_CORPORATE_ACTION.name,),
    ),
    FACT_CORPORATE_ACTION.name: AssetMeasurements(
        _FACT, _action_sessions, _contract(FACT_CORPORATE_ACTION)
    ),
    contracts.STOCK_PRICE_ADJUSTED.name: AssetMeasurements(
        (
            Check(tables.primary_key_unique, "asset"),
            Check(tables.rows_reconcile, "asset"),
            Check(tables.contract_matches, "asset"),
        ),
        whole=lambda sources: measure_adjusted_view(sources.open_warehouse()),
    ),
    **_table(
        contracts.ASSET_CHECK_RESULT,
        Check(tables.primary_key_unique, "asset", blocking=True),
        Check(tables.contract_matches, "asset"),
    ),
    **_table(contracts.DIM_EXCHANGE, *_DIMENSION),
    **_table(contracts.DIM_TRADING_SESSION, *_DIMENSION),
    **_table(contracts.DIM_COMPANY, *_DIMENSION, Check(tables.dim_company_keys, "asset")),
    **_table(contracts.DIM_COMPANY_HISTORY, *_DIMENSION, Check(tables.history_intervals, "asset")),
    **_table(contracts.DIM_DATE, *_DIMENSION, Check(tables.dim_date_complete, "asset")),
}
