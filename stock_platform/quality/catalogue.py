"""The catalogue: which rules hold for which asset, and which of them stop what is downstream.

One line binds a rule. What a rule means is said in `rules`; how it becomes a check of Dagster
is in `checks`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stock_platform.contracts import (
    DIM_COMPANY,
    DIM_COMPANY_HISTORY,
    DIM_DATE,
    DIM_EXCHANGE,
    DIM_TRADING_SESSION,
)
from stock_platform.limits import QualityLimits
from stock_platform.quality.rules import bars, erp, processed, raw, tables
from stock_platform.quality.rules.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

SessionRule = Callable[[Any, QualityLimits], Verdict]
BarRule = Callable[["pd.DataFrame", QualityLimits], "pd.DataFrame"]


@dataclass(frozen=True)
class Catalogue:
    """The rules of an asset; a blocking one stops what would be wrong downstream.

    Attributes:
        sessions: rules over a measurement of one session.
        bars: rules over bars beside their neighbours.
        whole: rules over the asset as a whole, whatever its partitions.
        blocking: those of them that block.
    """

    sessions: tuple[SessionRule, ...] = ()
    bars: tuple[BarRule, ...] = ()
    whole: tuple[SessionRule, ...] = ()
    blocking: frozenset[Callable[..., Any]] = frozenset()


ERP: Final = Catalogue(whole=(erp.files_accepted, erp.every_row_accepted))

_RAW: Final = (raw.complete_for_session, raw.no_upstream_errors, raw.answer_is_settled)
_PROCESSED: Final = (
    processed.every_line_accounted_for,
    processed.quarantine_share,
    processed.ohlc_consistent,
    processed.prices_positive,
    processed.volume_non_negative,
    processed.no_null_bars,
    processed.no_duplicates,
)

RAW: Final = Catalogue(sessions=_RAW, whole=(raw.fresh,), blocking=frozenset(_RAW))
PROCESSED: Final = Catalogue(
    sessions=_PROCESSED,
    bars=(
        bars.unit_scale,
        bars.unexplained_move,
        bars.split_applied,
        bars.stale_price,
        bars.dividend_plausible,
    ),
    blocking=frozenset(_PROCESSED),
)

_FACT: Final = (tables.primary_key_unique, tables.rows_reconcile, tables.foreign_keys_resolve)
_TABLE: Final = (
    tables.has_rows,
    tables.primary_key_unique,
    tables.foreign_keys_resolve,
    tables.contract_matches,
)
_TABLE_BLOCKING: Final = frozenset(
    {tables.has_rows, tables.primary_key_unique, tables.rows_reconcile}
)

PRICES: Final = Catalogue(
    sessions=(*_FACT, tables.no_gaps),
    bars=(bars.adjusted_close_agrees,),
    whole=(tables.contract_matches,),
    blocking=_TABLE_BLOCKING,
)
ACTIONS: Final = Catalogue(
    sessions=_FACT, whole=(tables.contract_matches,), blocking=_TABLE_BLOCKING
)
ADJUSTED: Final = Catalogue(
    whole=(tables.primary_key_unique, tables.rows_reconcile, tables.contract_matches)
)

RESULTS: Final = Catalogue(
    whole=(tables.primary_key_unique, tables.contract_matches), blocking=_TABLE_BLOCKING
)

DIMENSIONS: Final[Mapping[str, Catalogue]] = {
    DIM_EXCHANGE.name: Catalogue(whole=_TABLE, blocking=_TABLE_BLOCKING),
    DIM_TRADING_SESSION.name: Catalogue(whole=_TABLE, blocking=_TABLE_BLOCKING),
    DIM_COMPANY.name: Catalogue(whole=(*_TABLE, tables.dim_company_keys), blocking=_TABLE_BLOCKING),
    DIM_COMPANY_HISTORY.name: Catalogue(
        whole=(*_TABLE, tables.history_intervals), blocking=_TABLE_BLOCKING
    ),
    DIM_DATE.name: Catalogue(whole=(*_TABLE, tables.dim_date_complete), blocking=_TABLE_BLOCKING),
}
