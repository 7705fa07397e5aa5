"""Client for Yahoo Finance, based on yfinance.

Belongs here: how yfinance is called. Its own data frame is discarded: ``price_records`` builds
the records from the recorded responses.
"""

import logging
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import quote

from stock_platform.market_data.models import HttpResponseRecord, PriceRequest, SymbolResult
from stock_platform.market_data.price_records import build_symbol_result
from stock_platform.market_data.recording_session import RecordingHttpSession

CLIENT: Final = f"yfinance/{version('yfinance')}"

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 30
# The first time zone to begin a day (Kiritimati): no exchange's date is ahead of it.
_EARLIEST_ZONE: Final = timezone(timedelta(hours=14))
# yfinance has one HTTP session, one cookie and one response cache per process.
_YFINANCE_LOCK: Final = threading.Lock()


class YahooClient:
    """Fetches prices with yfinance over an HTTP session that records the responses.

    Args:
        http_session: ``YahooHttpSession``, or ``SampleHttpSession`` for the bundled prices.
        cache_dir: folder of yfinance's SQLite caches of time zones and cookies. SQLite locks them
            when processes share them, so each process needs a folder of its own. The first one used
            in a process stays in effect.
    """

    def __init__(self, http_session: RecordingHttpSession, cache_dir: Path) -> None:
        import yfinance  # noqa: PLC0415  heavy import

        yfinance.set_tz_cache_location(str(cache_dir))
        # By default yfinance turns every failure into a log line and an empty frame.
        yfinance.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        self._http_session = http_session

    def fetch(self, request: PriceRequest) -> SymbolResult:
        """Fetch the sessions of one symbol. Failures become outcomes, not exceptions.

        One price request covers the range from the first session to today, so that every later
        split is known. The first request of a symbol per cache also fetches its time zone.
        """
        with _YFINANCE_LOCK:
            self._http_session.responses.clear()
            failure = self._request_history(request.symbol, request.sessions[0])
            responses = tuple(self._http_session.responses)
        not_sent = HttpResponseRecord("", None, datetime.now(UTC), error=failure)
        return build_symbol_result(request, responses or (not_sent,), CLIENT)

    def close(self) -> None:
        """Close the HTTP session."""
        self._http_session.close()

    def _request_history(self, symbol: str, start: date) -> str | None:
        """Run yfinance, and return its error message if it fails."""
        import yfinance  # noqa: PLC0415  heavy import
        from yfinance.data import YfData  # noqa: PLC0415  the same

        tomorrow = datetime.now(_EARLIEST_ZONE).date() + timedelta(days=1)
        try:
            # yfinance does not quote the symbol in its URLs.
            ticker = yfinance.Ticker(quote(symbol, safe="^=&"), session=self._http_session)
            # The cache also keeps failed and outdated responses.
            YfData().cache_get.cache_clear()
            ticker.history(
                start=start,
                end=tomorrow,
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
                timeout=_TIMEOUT_S,
            )
        # The recorded responses are what counts, whatever yfinance makes of them.
        except Exception as error:  # noqa: BLE001
            failure = f"{type(error).__name__}: {error}"
            _LOG.debug("yfinance failed on %s: %s", symbol, failure)
            return failure
        return None
