"""The true yfinance client, asked for one symbol at a time.

Belongs here: how yfinance is called and kept quiet. How its requests travel is in
``transport``, what their answers mean in ``lines``: yfinance's own frame is thrown away.
"""

import logging
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import quote

from stock_platform.sources.lines import symbol_answer
from stock_platform.sources.outcomes import HttpAnswer, PriceRequest, SymbolAnswer
from stock_platform.sources.recording import RecordingSession

CLIENT: Final = f"yfinance/{version('yfinance')}"

_LOG: Final = logging.getLogger(__name__)
_TIMEOUT_SECONDS: Final = 30
# Where a day begins first (Kiritimati): no exchange's date is ahead of it.
_EARLIEST_ZONE: Final = timezone(timedelta(hours=14))
# yfinance has one session, one cookie and one cache of answers for a whole process.
_ONE_AT_A_TIME: Final = threading.Lock()


class YahooClient:
    """Prices by yfinance, over a session that records what was answered.

    Args:
        session: ``YahooSession``, or ``SampleSession`` for the bundled prices.
        cache_dir: yfinance's SQLite files of time zones and cookies. They lock under several
            processes, so each process needs its own directory; the first one given in a
            process stays.
    """

    def __init__(self, session: RecordingSession, cache_dir: Path) -> None:
        import yfinance  # noqa: PLC0415  heavy import

        yfinance.set_tz_cache_location(str(cache_dir))
        # Otherwise it turns every failure into a log line and an empty frame.
        yfinance.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        self._session = session

    def fetch(self, request: PriceRequest) -> SymbolAnswer:
        """Ask for one symbol's sessions; never raises for what Yahoo answers.

        One data request covers the range from the first session to today, so that every
        split since then is known. The symbol's time zone costs another one, once a cache.
        """
        with _ONE_AT_A_TIME:
            self._session.answers.clear()
            failure = self._ask(request.symbol, request.sessions[0])
            answers = tuple(self._session.answers)
        never_asked = HttpAnswer("", None, datetime.now(UTC), error=failure)
        return symbol_answer(request, answers or (never_asked,), CLIENT)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _ask(self, symbol: str, start: date) -> str | None:
        """Let yfinance ask, and tell what it said if it failed."""
        import yfinance  # noqa: PLC0415  heavy import
        from yfinance.data import YfData  # noqa: PLC0415  the same

        tomorrow = datetime.now(_EARLIEST_ZONE).date() + timedelta(days=1)
        try:
            # yfinance pastes the symbol into its URLs as it is.
            ticker = yfinance.Ticker(quote(symbol, safe="^=&"), session=self._session)
            # It keeps answers, failed and since corrected ones too.
            YfData().cache_get.cache_clear()
            ticker.history(
                start=start,
                end=tomorrow,
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
                timeout=_TIMEOUT_SECONDS,
            )
        # The recorded answers decide, whatever yfinance made of them.
        except Exception as error:  # noqa: BLE001
            failure = f"{type(error).__name__}: {error}"
            _LOG.debug("yfinance failed on %s: %s", symbol, failure)
            return failure
        return None
