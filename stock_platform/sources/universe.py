"""Asking for many symbols, one after the other, and stopping when the source has had enough."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from stock_platform.sources.lines import symbol_answer
from stock_platform.sources.outcomes import HttpAnswer, Outcome, PriceRequest, SymbolAnswer

# Each throttled symbol has already been asked for five times over half a minute. Asking on
# prolongs a ban, and 5,000 symbols would wait for 40 hours.
PATIENCE_SYMBOLS: Final = 3


class PriceSource(Protocol):
    """Whoever answers for one symbol."""

    def fetch(self, request: PriceRequest) -> SymbolAnswer:
        """Ask for one symbol's sessions; never raises for what is answered."""


def fetch_universe(source: PriceSource, requests: Iterable[PriceRequest]) -> Iterator[SymbolAnswer]:
    """An answer for each request.

    After three throttled symbols in a row the rest is not asked for: their lines are upstream
    errors that say so, a transient outcome, so the next run asks again.
    """
    throttled = 0
    for request in requests:
        if throttled >= PATIENCE_SYMBOLS:
            yield _not_asked(request)
            continue
        answer = source.fetch(request)
        is_throttled = any(line["outcome"] == Outcome.THROTTLED for line in answer.lines)
        throttled = throttled + 1 if is_throttled else 0
        yield answer


def _not_asked(request: PriceRequest) -> SymbolAnswer:
    why = f"not asked: {PATIENCE_SYMBOLS} symbols in a row were throttled before it"
    return symbol_answer(request, [HttpAnswer("", None, datetime.now(UTC), error=why)], "none")
