"""Find the bars that fail checks, with the bars around them."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final

from stock_platform.quality.report.model import CheckResult, FailingBar
from stock_platform.warehouse.interface import Warehouse

# Checks whose examples start with "SYMBOL: ".
_BAR_CHECKS: Final = frozenset(
    {
        *("unit_scale", "unexplained_move", "split_applied", "stale_price"),
        *("dividend_plausible", "adjusted_close_agrees"),
    }
)
_MAX_BARS: Final = 12
# More than _MAX_BARS, because quarantined bars have no price row.
_MAX_QUERIES: Final = 60
_DAYS_AROUND: Final = timedelta(days=30)

_BARS: Final = """
SELECT TradeDate, Open, High, Low, Close
FROM fact_stock_price
WHERE Ticker = @ticker AND TradeDate BETWEEN @first AND @last
ORDER BY TradeDate
"""


def find_failing_bars(warehouse: Warehouse, results: Sequence[CheckResult]) -> list[FailingBar]:
    """Return the newest failing bar per check and symbol, errors first.

    A bar that fails several checks is returned once.
    """
    reasons: dict[tuple[str, str], dict[str, str]] = {}
    seen: set[tuple[str, str]] = set()
    newest_first = sorted(results, key=lambda result: result.session, reverse=True)
    for result in sorted(newest_first, key=lambda result: result.severity):
        if result.passed or not result.session or result.check not in _BAR_CHECKS:
            continue
        for example in result.examples:
            symbol, _, reason = example.partition(": ")
            if (result.check, symbol) not in seen:
                seen.add((result.check, symbol))
                reasons.setdefault((symbol, result.session), {})[result.check] = reason
    bars = (
        bar
        for (symbol, session), by_check in islice(reasons.items(), _MAX_QUERIES)
        for bar in _read_bar(
            warehouse, symbol, session, "; ".join(map(": ".join, by_check.items()))
        )
    )
    return list(islice(bars, _MAX_BARS))


def _read_bar(
    warehouse: Warehouse, symbol: str, session: str, description: str
) -> Iterator[FailingBar]:
    """Yield the bar if it has a price row."""
    day = date.fromisoformat(session)
    scope = {"ticker": symbol, "first": day - _DAYS_AROUND, "last": day + _DAYS_AROUND}
    columns = warehouse.query(_BARS, scope).to_pydict()
    if day in columns["TradeDate"]:
        yield FailingBar(symbol, session, description, columns)
