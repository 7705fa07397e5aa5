"""Classify a Yahoo response: a chart, or the reason why there is none.

Belongs here: decisions based on the HTTP status and the body of a response. The outcome of each
single session is decided in ``price_records``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from stock_platform.market_data.chart import (
    ChartError,
    ParsedChart,
    YahooResponseError,
    read_chart,
)
from stock_platform.market_data.models import HttpResponseRecord, Outcome

_EXCERPT_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """The reason why a response contains no usable chart, and the outcome of its sessions."""

    outcome: Outcome
    error: str


def final_response(responses: Sequence[HttpResponseRecord]) -> HttpResponseRecord:
    """Return the last response to the price request.

    If yfinance failed before it could request prices, this is the response to its time-zone
    request.
    """
    return ([response for response in responses if _requested_prices(response)] or responses)[-1]


def classify_response(symbol: str, response: HttpResponseRecord) -> ParsedChart | FetchFailure:
    """Parse a response into a chart, or say why that is impossible.

    - Status 429 is throttling. No response, status 5xx, and any body that is not a chart
      (including an HTML page with status 404) is an upstream error.
    - Yahoo's own ``Not Found`` is an unknown symbol. Its "may be delisted" is a guess.
    - ``Data doesn't exist for startDate`` does not mean an unknown symbol: the range has no bars.
    - The chart of another symbol, or one requested only for its time zone, is not used.
    """
    if response.status is None or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FetchFailure(Outcome.UPSTREAM_ERROR, _excerpt(response))
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return FetchFailure(Outcome.THROTTLED, _excerpt(response))
    try:
        chart = read_chart(response.body, response.fetched_at)
    except ChartError as error:
        return FetchFailure(_failed_outcome(error, response), f"{error} ({_excerpt(response)})")
    if chart.symbol.upper() != symbol.upper():
        return FetchFailure(Outcome.UPSTREAM_ERROR, f"the response is the chart of {chart.symbol}")
    if not _requested_prices(response):
        return FetchFailure(
            Outcome.UPSTREAM_ERROR, "no prices were requested after the time-zone request"
        )
    return chart


def _failed_outcome(error: ChartError, response: HttpResponseRecord) -> Outcome:
    if not isinstance(error, YahooResponseError):
        return Outcome.UPSTREAM_ERROR
    if error.code == "Not Found":
        return Outcome.UNKNOWN_SYMBOL
    if "Data doesn't exist" in str(error) and _requested_prices(response):
        return Outcome.NULL_BAR
    return Outcome.UPSTREAM_ERROR


def _requested_prices(response: HttpResponseRecord) -> bool:
    """Return whether the request was for prices. yfinance also requests the time zone."""
    return "period1" in parse_qs(urlsplit(response.url).query)


def _excerpt(response: HttpResponseRecord) -> str:
    if response.status is None:
        return response.error or "no response"
    return f"HTTP {response.status}: {response.body[:_EXCERPT_BYTES].decode(errors='replace')}"
