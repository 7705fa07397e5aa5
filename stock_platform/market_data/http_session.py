"""HTTP session for Yahoo Finance: rate limiting, retries and an optional base URL.

Belongs here: how requests are sent. ``recording_session`` keeps the responses, and ``classify``
says what they mean.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from curl_cffi.requests import Response
from curl_cffi.requests.exceptions import InvalidURL, RequestException
from curl_cffi.requests.session import HttpMethod
from pyrate_limiter import Limiter, Rate
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from stock_platform.market_data.recording_session import RecordingHttpSession

ATTEMPTS: Final = 5
# 2, 4, 8 and 16 seconds, each with up to 2 seconds of jitter: half a minute per symbol.
_BACKOFF: Final = wait_exponential_jitter(multiplier=2, max=60, jitter=2)
# A longer Retry-After is ignored: the backoff ends earlier, and the next run tries again.
MAX_RETRY_AFTER_S: Final = 120.0


class YahooHttpSession(RecordingHttpSession):
    """Rate-limited session that retries transient failures.

    The rate limit covers every request, including cookies. Chart requests are retried after
    status 429 or 5xx, a body that is not JSON, a timeout or a broken connection.

    Args:
        requests_per_second: evenly spaced. Users report bans after bursts, and 1 to 5 requests
            per second as safe.
        base_url: if given, ``https://HOST/PATH`` is requested at ``base_url/HOST/PATH`` and no
            other host is contacted: proxies and redirects are disabled.
        attempts: maximum number of requests per chart.
        sleep: called with the number of seconds to wait between two attempts.
    """

    def __init__(
        self,
        requests_per_second: float,
        base_url: str | None = None,
        *,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(trust_env=base_url is None, allow_redirects=base_url is None)
        self._destination = base_url and base_url.rstrip("/")
        self._limiter = Limiter(Rate(1, max(1, round(1000 / requests_per_second))), buffer_ms=0)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=_wait,
            retry=retry_if_exception_type(RequestException) | retry_if_result(is_transient),
            retry_error_callback=_last_result,
            sleep=sleep,
        )

    def request_chart(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Request a chart, and retry transient failures."""
        return self._retrying(super().request_chart, method, url, *args, **options)

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Send one request within the rate limit."""
        self._limiter.try_acquire("yahoo")
        if self._destination is None:
            return super().send(method, url, *args, **options)
        options["allow_redirects"] = False
        return super().send(method, self._redirected(url), *args, **options)

    def close(self) -> None:
        """Close the connections and the rate limiter."""
        self._limiter.close()
        super().close()

    def _redirected(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise InvalidURL(f"only https:// URLs can be sent to the base URL, not {url}")
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._destination}/{parts.netloc}{parts.path or '/'}{query}"


def is_transient(response: Response) -> bool:
    """Return whether the same request may succeed a moment later."""
    if response.status_code == HTTPStatus.OK:
        return not _is_json(response.content)
    return (
        response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Parse a ``Retry-After`` header, which is in seconds or a date (RFC 9110, 10.2.3).

    Returns None if the header is absent, invalid, in the past or above ``MAX_RETRY_AFTER_S``.
    """
    if header is None:
        return None
    try:
        seconds = (
            float(header)
            if header.strip().isdigit()
            else (parsedate_to_datetime(header) - now).total_seconds()
        )
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds <= MAX_RETRY_AFTER_S else None


def _wait(state: RetryCallState) -> float:
    if state.outcome is not None and not state.outcome.failed:
        header = state.outcome.result().headers.get("Retry-After")
        seconds = retry_after_seconds(header, datetime.now(UTC))
        if seconds is not None:
            return seconds
    return _BACKOFF(state)


def _last_result(state: RetryCallState) -> Response:
    if state.outcome is None:
        raise RuntimeError("tenacity stopped before the first attempt")
    response: Response = state.outcome.result()
    return response


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
