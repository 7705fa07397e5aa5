"""The bars that offend, read with their neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final

from stock_platform.quality.report.model import Bars, OpenFailure
from stock_platform.warehouse.interface import Warehouse

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
    """Of each check and symbol the newest bar that offends, errors first; a bar once."""
    wanted: dict[tuple[str, str], dict[str, str]] = {}
    newest_first = sorted(failures, key=lambda it: it.session or "", reverse=True)
    seen: set[tuple[str, str]] = set()
    for failure in sorted(newest_first, key=lambda it: it.severity):
        if failure.check in _BAR_CHECKS and failure.session:
            for text in failure.sample:
                symbol, _, says = text.partition(": ")
                if (failure.check, symbol) not in seen:
                    seen.add((failure.check, symbol))
                    wanted.setdefault((symbol, failure.session), {})[failure.check] = says
    found = (
        bars
        for (symbol, session), said in islice(wanted.items(), _TRIED)
        for bars in _with_neighbours(warehouse, symbol, session, said)
    )
    return list(islice(found, _PLOTTED))


def _with_neighbours(
    warehouse: Warehouse, symbol: str, session: str, said: Mapping[str, str]
) -> Iterator[Bars]:
    """The bar, if it has a price, and what each check said of it."""
    day = date.fromisoformat(session)
    span = {"ticker": symbol, "first": day - _AROUND, "last": day + _AROUND}
    columns = warehouse.query(_BARS, span).to_pydict()
    if day in columns["TradeDate"]:
        says = "; ".join(f"{check}: {text}" for check, text in said.items())
        yield Bars(symbol, session, says, columns)
