"""Bars of processed sessions with their neighbours, read from the lake's Parquet objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.dataset as ds

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, Table
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.publish import published_sessions
from stock_platform.limits import QualityLimits
from stock_platform.quality.measures.series import with_neighbours

if TYPE_CHECKING:
    import pandas as pd

_PRICE: Final = ["Ticker", "TradeDate", "Open", "High", "Low", "Close", "Volume", "Currency"]
_ACTION: Final = ["Ticker", "TradeDate", "ActionType", "Value", "Currency"]


# A year of sessions.
_LOOKBACK: Final = 252


@dataclass(frozen=True)
class BarSessions:
    """Bars of some sessions.

    Attributes:
        bars: one row a ticker and session, as the rules over them ask for.
        neighbours: sessions beside those asked for, whose bars are judged by them.
    """

    bars: "pd.DataFrame"
    neighbours: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of them each session has."""
        counts = self.bars["Session"].value_counts()
        return {str(session): int(count) for session, count in counts.items()}


def bar_sessions(paths: LakePaths, sessions: Sequence[str], limits: QualityLimits) -> BarSessions:
    """The published bars of the sessions, measured against their neighbours.

    A symbol's own neighbours may lie far off, for it may have been suspended: a year is read, so
    that a verdict does not depend on which sessions a run has.
    """
    around = _with_neighbours(
        published_sessions(paths),
        sessions,
        after=limits.split_sessions,
    )
    prices = _rows([paths.processed("stock_prices", it) for it in around], FACT_STOCK_PRICE, _PRICE)
    actions = _rows(
        [paths.processed("corporate_actions", it) for it in around], FACT_CORPORATE_ACTION, _ACTION
    )
    measured = with_neighbours(prices, actions, limits)
    beside = _beside(around, sessions)
    return BarSessions(measured[measured["Session"].isin([*sessions, *beside])], beside)


def _beside(published: Sequence[str], sessions: Sequence[str]) -> tuple[str, ...]:
    """The last published session before those asked for, and the first after them."""
    before = [it for it in published if it < min(sessions)]
    after = [it for it in published if it > max(sessions)]
    return (*before[-1:], *after[:1])


def _with_neighbours(published: Sequence[str], sessions: Sequence[str], after: int) -> list[str]:
    """The published sessions from a year before the first asked for to so many after the last."""
    there = set(published)
    known = sorted(there.union(sessions))
    first, last = known.index(min(sessions)), known.index(max(sessions))
    return [it for it in known[max(first - _LOOKBACK, 0) : last + after + 1] if it in there]


def _rows(uris: Sequence[str], table: Table, columns: list[str]) -> "pd.DataFrame":
    """Some columns of those objects that there are, and the day as text under Session."""
    schema = arrow_schema(table)
    objects = [files.filesystem(uri) for uri in uris]
    there = files.each(files.exists, uris)
    present = [path for (_, path), found in zip(objects, there, strict=True) if found]
    rows = schema.empty_table().select(columns)
    if present:
        dataset = ds.dataset(present, schema=schema, format="parquet", filesystem=objects[0][0])
        rows = dataset.to_table(columns)
    days = rows["TradeDate"].cast(pa.string())
    frame: pd.DataFrame = rows.drop_columns("TradeDate").append_column("Session", days).to_pandas()
    return frame
