"""What an answer is, by its status and body alone; never by an empty frame.

Belongs here: the one place that tells a failure of the way from an answer about a symbol.
What a single session deserves is in ``lines``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from stock_platform.sources.chart import ChartAnswer, ChartError, ChartRefusedError, read_chart
from stock_platform.sources.outcomes import HttpAnswer, Outcome

_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no chart: what was answered, and the outcome that it deserves."""

    outcome: Outcome
    error: str


def deciding_answer(answers: Sequence[HttpAnswer]) -> HttpAnswer:
    """The last answer to the data request, or to the one for the time zone if that failed."""
    return ([answer for answer in answers if _asked_for_data(answer)] or answers)[-1]


def judge(symbol: str, answer: HttpAnswer) -> ChartAnswer | Failure:
    """Decide what an answer is, by its status and body alone.

    - 429 is throttling; no answer, 5xx, and whatever is no chart is an upstream error, an
      HTML page with status 404 included.
    - Yahoo's own ``Not Found`` is an unknown symbol. It adds "may be delisted", a guess.
    - ``Data doesn't exist for startDate`` is no unknown symbol: there are no bars from the
      start of the range to its end.
    - A chart of another symbol, or one that was asked for its time zone only, is not used.
    """
    if answer.status is None or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure(Outcome.UPSTREAM_ERROR, _excerpt(answer))
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure(Outcome.THROTTLED, _excerpt(answer))
    try:
        chart = read_chart(answer.body, answer.fetched_at)
    except ChartError as error:
        return Failure(_without_chart(error, answer), f"{error} ({_excerpt(answer)})")
    if chart.symbol.upper() != symbol.upper():
        return Failure(Outcome.UPSTREAM_ERROR, f"the answer is the chart of {chart.symbol}")
    if not _asked_for_data(answer):
        return Failure(Outcome.UPSTREAM_ERROR, "no prices were asked for after the time zone")
    return chart


def _without_chart(error: ChartError, answer: HttpAnswer) -> Outcome:
    if not isinstance(error, ChartRefusedError):
        return Outcome.UPSTREAM_ERROR
    if error.code == "Not Found":
        return Outcome.UNKNOWN_SYMBOL
    if "Data doesn't exist" in str(error) and _asked_for_data(answer):
        return Outcome.NULL_BAR
    return Outcome.UPSTREAM_ERROR


def _asked_for_data(answer: HttpAnswer) -> bool:
    """Whether it is the answer to the data request, not to the one for the time zone."""
    return "period1" in parse_qs(urlsplit(answer.url).query)


def _excerpt(answer: HttpAnswer) -> str:
    if answer.status is None:
        return answer.error or "no answer"
    return f"HTTP {answer.status}: {answer.body[:_EXCERPT].decode(errors='replace')}"
