"""The way to Yahoo: limited, retried, and redirected where a base URL is given.

Belongs here: pace, patience and destination of requests. What is kept of their answers is in
``recording``, what the answers mean in ``lines``.
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

from stock_platform.sources.recording import RecordingSession

ATTEMPTS: Final = 5
# 2, 4, 8 and 16 seconds, and up to 2 more each: a symbol has half a minute to recover.
_BACKOFF: Final = wait_exponential_jitter(multiplier=2, max=60, jitter=2)
# A longer wish is not followed: the backoff ends before, and the next run asks again.
LONGEST_RETRY_AFTER: Final = 120.0


class YahooSession(RecordingSession):
    """A session that asks Yahoo politely.

    Every request, cookies included, waits for its turn; charts are asked for again after 429,
    5xx, a body that is no JSON, a timeout or a broken connection.

    Args:
        requests_per_second: evenly spaced; users report bans after bursts, and 1 to 5 a
            second as safe.
        base_url: where given, ``https://HOST/PATH`` is asked at ``base_url/HOST/PATH``, and
            nothing is asked anywhere else: no proxy, no followed redirect.
        attempts: at a chart, the first included.
        sleep: waits that many seconds between two attempts.
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

    def ask(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Ask for a chart until it is answered for good, or the attempts are used up."""
        return self._retrying(super().ask, method, url, *args, **options)

    def send(self, method: HttpMethod, url: str, *args: Any, **options: Any) -> Response:
        """Send one request when it is its turn."""
        self._limiter.try_acquire("yahoo")
        if self._destination is None:
            return super().send(method, url, *args, **options)
        options["allow_redirects"] = False
        return super().send(method, self._redirected(url), *args, **options)

    def close(self) -> None:
        """Close the connections and the limiter."""
        self._limiter.close()
        super().close()

    def _redirected(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise InvalidURL(f"only https:// is redirected, not {url}")
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._destination}/{parts.netloc}{parts.path or '/'}{query}"


def is_transient(response: Response) -> bool:
    """Whether the same request may be answered better in a moment."""
    if response.status_code == HTTPStatus.OK:
        return not _is_json(response.content)
    return (
        response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """What a ``Retry-After`` header asks for, in seconds or as a date (RFC 9110, 10.2.3).

    None if it is absent, unreadable, past or longer than ``LONGEST_RETRY_AFTER``.
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
    return seconds if 0 < seconds <= LONGEST_RETRY_AFTER else None


def _wait(state: RetryCallState) -> float:
    if state.outcome is not None and not state.outcome.failed:
        header = state.outcome.result().headers.get("Retry-After")
        wished = retry_after_seconds(header, datetime.now(UTC))
        if wished is not None:
            return wished
    return _BACKOFF(state)


def _last_result(state: RetryCallState) -> Response:
    if state.outcome is None:
        raise RuntimeError("tenacity gave up before it began")
    response: Response = state.outcome.result()
    return response


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
