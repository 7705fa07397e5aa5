"""Measure bars of processed sessions in the context of their neighbours, read from the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pyarrow as pa

from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.processed import ProcessedState
from stock_platform.lake.versions import current_rows
from stock_platform.quality.measures.price_context import with_neighbours
from stock_platform.settings.quality import QualityLimits

_PRICE_COLUMNS: Final = [
    *("Ticker", "TradeDate", "Open", "High", "Low", "Close", "Volume", "Currency")
]
_ACTION_COLUMNS: Final = ["Ticker", "TradeDate", "ActionType", "Value", "Currency"]
# One year: the previous bar of a suspended symbol may be months back, and a shorter window would
# make results depend on the sessions of the run.
_LOOKBACK_SESSIONS: Final = 252


@dataclass(frozen=True)
class BarSessions:
    """The bars of some sessions.

    Attributes:
        bars: one row per ticker and session, with the columns that the rules need.
        neighbours: the sessions before and after the requested ones. Their bars depend on the
            requested ones, so they are evaluated again.
    """

    bars: pd.DataFrame
    neighbours: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of bars by session."""
        return {str(key): int(count) for key, count in self.bars["Session"].value_counts().items()}


def measure_bars(
    paths: LakePaths, state: ProcessedState, sessions: Sequence[str], limits: QualityLimits
) -> BarSessions:
    """Read the current bars of the sessions and add the context of each bar."""
    known = state.sessions
    before = [session for session in known if session < min(sessions)][-_LOOKBACK_SESSIONS:]
    within = [session for session in known if min(sessions) <= session <= max(sessions)]
    after = [session for session in known if session > max(sessions)][: limits.split_sessions]
    read = [*before, *within, *after]

    def rows(table: ProcessedTable, columns: Sequence[str]) -> pd.DataFrame:
        found = current_rows(paths, state, table, read, columns)
        days = found["TradeDate"].cast(pa.string())
        frame: pd.DataFrame = (
            found.drop_columns("TradeDate").append_column("Session", days).to_pandas()
        )
        return frame

    prices = rows("stock_prices", _PRICE_COLUMNS)
    actions = rows("corporate_actions", _ACTION_COLUMNS)
    bars = with_neighbours(prices, actions, limits)
    neighbours = (*before[-1:], *after[:1])
    return BarSessions(bars[bars["Session"].isin([*sessions, *neighbours])], neighbours)
