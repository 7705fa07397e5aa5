"""Fetch many symbols one after the other, and stop when Yahoo throttles."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from stock_platform.market_data.models import (
    HttpResponseRecord,
    Outcome,
    PriceRequest,
    SymbolResult,
)
from stock_platform.market_data.price_records import build_symbol_result

# Each throttled symbol has already been requested five times within half a minute. Further
# requests prolong a ban, and 5,000 symbols would wait for 40 hours.
MAX_THROTTLED_IN_A_ROW: Final = 3


class PriceSource(Protocol):
    """Source of prices for one symbol at a time."""

    def fetch(self, request: PriceRequest) -> SymbolResult:
        """Fetch the sessions of one symbol. Failures become outcomes, not exceptions."""


def fetch_all(source: PriceSource, requests: Iterable[PriceRequest]) -> Iterator[SymbolResult]:
    """Yield one result per request.

    After three throttled symbols in a row the remaining ones are not requested. Their records
    have the transient outcome `upstream_error`, so the next run requests them again.
    """
    throttled = 0
    for request in requests:
        if throttled >= MAX_THROTTLED_IN_A_ROW:
            yield _not_requested(request)
            continue
        result = source.fetch(request)
        is_throttled = any(record["outcome"] == Outcome.THROTTLED for record in result.records)
        throttled = throttled + 1 if is_throttled else 0
        yield result


def _not_requested(request: PriceRequest) -> SymbolResult:
    why = f"not requested: the {MAX_THROTTLED_IN_A_ROW} symbols before it were throttled"
    return build_symbol_result(
        request, [HttpResponseRecord("", None, datetime.now(UTC), error=why)], "none"
    )
