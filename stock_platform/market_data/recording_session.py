"""HTTP session for yfinance that records chart responses.

Belongs here: recording, and stopping yfinance after a rejected request. Rate limits and retries
are in ``http_session``, the meaning of responses in ``classify``.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import RequestException
from curl_cffi.requests.session import HttpMethod

from stock_platform.errors import StockPlatformError
from stock_platform.market_data.models import HttpResponseRecord

# yfinance recovers from these with a new cookie and crumb.
_RECOVERABLE: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class RequestRejectedError(StockPlatformError):
    """Yahoo rejected a chart request for good.

    Stops yfinance, which would otherwise fetch a consent page, a crumb, the chart again and two
    other services before it calls the symbol "possibly delisted".
    """


class RecordingHttpSession(Session[Response]):
    """HTTP session that records chart responses.

    Subclasses override ``request_chart`` and ``send``.

    Attributes:
        responses: one per attempt at a chart, in order of arrival. The reader clears the list.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(impersonate="chrome", **options)
        self.responses: list[HttpResponseRecord] = []

    def request(
        self,
        method: HttpMethod,
        url: str,
        *args: Any,
        **options: Any,
    ) -> Response:
        """Send a request. Record the response to a chart request.

        Cookies and crumbs are not recorded: they are private to this client, and not data.

        Raises:
            RequestRejectedError: Yahoo rejected the chart request for good.
            curl_cffi.requests.exceptions.RequestException: there was no response.
        """
        if "/v8/finance/chart/" not in urlsplit(url).path:
            return self.send(method, url, *args, **options)
        response = self.request_chart(method, url, *args, **options)
        if (
            response.status_code >= HTTPStatus.BAD_REQUEST
            and response.status_code not in _RECOVERABLE
        ):
            raise RequestRejectedError(f"HTTP {response.status_code}")
        return response

    def request_chart(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Send one chart request and record the response."""
        requested_url = _without_crumb(url, options.get("params") or {})
        try:
            response = self.send(method, url, *args, **options)
        except RequestException as error:
            self.responses.append(
                HttpResponseRecord(requested_url, None, datetime.now(UTC), error=str(error))
            )
            raise
        self.responses.append(
            HttpResponseRecord(
                requested_url, response.status_code, datetime.now(UTC), response.content
            )
        )
        return response

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Send one request of any kind."""
        return super().request(method, url, *args, **options)


def _without_crumb(url: str, params: dict[str, Any]) -> str:
    query = urlencode({name: value for name, value in params.items() if name != "crumb"})
    return f"{url}?{query}" if query else url
