"""The bars that offend, read with their neighbours."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final

from stock_platform.quality.report.model import Bars, OpenFailure
from stock_platform.warehouse.port import Warehouse

# Their samples begin with "SYMBOL: ".
_BAR_CHECKS: Final = frozenset(
    {
        *("unit_scale", "unexplained_move", "split_applied", "stale_price"),
        *("dividend_plausible", "adjusted_close_agrees"),
    }
)
_PLOTTED: Final = 12
# Bars that are asked for; some were quarantined and have no price row.
_TRIED: Final = 60
_AROUND: Final = timedelta(days=30)

_BARS: Final = """
SELECT TradeDate, Open, High, Low, Close
FROM fact_stock_price
WHERE Ticker = @ticker AND TradeDate BETWEEN @first AND @last
ORDER BY TradeDate
"""


def offending_bars(warehouse: Warehouse, failures: Sequence[OpenFailure]) -> list[Bars]:
    """Of each check and symbol the newest bar that offends, errors first."""
    wanted: dict[tuple[str, str], tuple[str, str]] = {}
    newest_first = sorted(failures, key=lambda it: it.session or "", reverse=True)
    for failure in sorted(newest_first, key=lambda it: it.severity):
        if failure.check in _BAR_CHECKS and failure.session:
            for text in failure.sample:
                symbol, _, says = text.partition(": ")
                wanted.setdefault((failure.check, symbol), (failure.session, says))
    tried = islice(wanted.items(), _TRIED)
    found = (
        bars
        for (check, symbol), (session, says) in tried
        for bars in _with_neighbours(warehouse, symbol, session, f"{check}: {says}")
    )
    return list(islice(found, _PLOTTED))


def _with_neighbours(warehouse: Warehouse, symbol: str, session: str, says: str) -> Iterator[Bars]:
    """The bar, if it has a price."""
    day = date.fromisoformat(session)
    span = {"ticker": symbol, "first": day - _AROUND, "last": day + _AROUND}
    columns = warehouse.query(_BARS, span).to_pydict()
    if day in columns["TradeDate"]:
        yield Bars(symbol, session, says, columns)
