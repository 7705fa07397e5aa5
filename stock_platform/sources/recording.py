"""A session for yfinance that keeps the chart answers as they came.

Belongs here: recording, and stopping yfinance after a refusal. How a request travels is in
``transport``, what its answer means in ``lines``.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import RequestException
from curl_cffi.requests.session import HttpMethod

from stock_platform.sources.outcomes import HttpAnswer

# The refusals for which yfinance has a cure: another cookie and crumb.
_CURABLE: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class RefusedError(Exception):
    """A chart was refused for good.

    Raised to stop yfinance, which would otherwise fetch a consent page, a crumb, the chart
    again and two other services before it calls the symbol "possibly delisted".
    """


class RecordingSession(Session[Response]):
    """A session that records chart answers; ``ask`` and ``send`` are for heirs to override.

    Attributes:
        answers: of every attempt at a chart, in the order they came; whoever reads them
            empties them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(impersonate="chrome", **options)
        self.answers: list[HttpAnswer] = []

    def request(
        self,
        method: HttpMethod,
        url: str,
        *args: Any,
        **options: Any,
    ) -> Response:
        """Send a request, and record the answer if it is one for a chart.

        Cookies and crumbs are not recorded: they are no data, and nobody's but this client's.

        Raises:
            RefusedError: the chart was refused for good.
            curl_cffi.requests.exceptions.RequestException: no answer came.
        """
        if "/v8/finance/chart/" not in urlsplit(url).path:
            return self.send(method, url, *args, **options)
        response = self.ask(method, url, *args, **options)
        if response.status_code >= HTTPStatus.BAD_REQUEST and response.status_code not in _CURABLE:
            raise RefusedError(f"HTTP {response.status_code}")
        return response

    def ask(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Ask for a chart once, and record what comes."""
        asked = _without_crumb(url, options.get("params") or {})
        try:
            response = self.send(method, url, *args, **options)
        except RequestException as error:
            self.answers.append(HttpAnswer(asked, None, datetime.now(UTC), error=str(error)))
            raise
        self.answers.append(
            HttpAnswer(asked, response.status_code, datetime.now(UTC), response.content)
        )
        return response

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Send one request of any kind."""
        return super().request(method, url, *args, **options)


def _without_crumb(url: str, params: dict[str, Any]) -> str:
    query = urlencode({name: value for name, value in params.items() if name != "crumb"})
    return f"{url}?{query}" if query else url
