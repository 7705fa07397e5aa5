"""Measure bars of processed sessions in the context of their neighbours, read from the lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, Table
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.publish import published_sessions
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


def measure_bars(paths: LakePaths, sessions: Sequence[str], limits: QualityLimits) -> BarSessions:
    """Read the published bars of the sessions and add the context of each bar."""
    published = published_sessions(paths)
    before = [session for session in published if session < min(sessions)][-_LOOKBACK_SESSIONS:]
    within = [session for session in published if min(sessions) <= session <= max(sessions)]
    after = [session for session in published if session > max(sessions)][: limits.split_sessions]
    read = [*before, *within, *after]
    prices = _rows(paths, "stock_prices", read, FACT_STOCK_PRICE, _PRICE_COLUMNS)
    actions = _rows(paths, "corporate_actions", read, FACT_CORPORATE_ACTION, _ACTION_COLUMNS)
    bars = with_neighbours(prices, actions, limits)
    neighbours = (*before[-1:], *after[:1])
    return BarSessions(bars[bars["Session"].isin([*sessions, *neighbours])], neighbours)


def _rows(
    paths: LakePaths,
    processed: ProcessedTable,
    sessions: Sequence[str],
    table: Table,
    columns: list[str],
) -> pd.DataFrame:
    """Read columns of the existing objects of some sessions, with the day as text in Session."""
    uris = [paths.processed(processed, session) for session in sessions]
    exists = files.map_concurrently(files.exists, uris)
    objects = [files.filesystem(uri) for uri, found in zip(uris, exists, strict=True) if found]
    schema = arrow_schema(table)
    rows = schema.empty_table().select(columns)
    if objects:
        dataset = ds.dataset(
            [path for _, path in objects],
            schema=schema,
            format="parquet",
            filesystem=objects[0][0],
        )
        rows = dataset.to_table(columns)
    days = rows["TradeDate"].cast(pa.string())
    frame: pd.DataFrame = rows.drop_columns("TradeDate").append_column("Session", days).to_pandas()
    return frame
