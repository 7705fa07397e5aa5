"""Which session a stamp of Yahoo's chart belongs to, and whether that session is over.

Belongs here: the calendar that Yahoo's answer carries in itself. Exchange calendars do not.
"""

from datetime import date, datetime, timedelta

from stock_platform.sources.chart_json import Meta, Result


def session_of(stamp: int, meta: Meta) -> date:
    """The exchange-local date of a moment.

    A daily row meant for midnight may be stamped 22:00 or 23:00 of the evening before, where
    the daylight saving time went wrong (Sao Paulo, January 2022; yfinance knows it too).
    """
    local = datetime.fromtimestamp(stamp, meta.exchange_timezone_name)
    slipped = local.hour in {22, 23} and local.minute == local.second == 0
    if slipped and stamp != meta.regular_market_time:
        local += timedelta(hours=24 - local.hour)
    return local.date()


def live_session(result: Result, fetched_at: datetime) -> date | None:
    """The last row's session, while it is the current trading day's and not final.

    It is not final before the regular close, nor as long as its stamp is the last trade's:
    Yahoo stamps a settled row with the session's opening. Until then it still moves after the
    close: MSFT of 2025-08-15 had 22,434,808 shares at 16:00:01 and 25,191,800 when settled,
    and its open went from 522.70 to 522.77.
    """
    meta = result.meta
    if not result.timestamp or meta.current_trading_period is None:
        return None
    last, period = max(result.timestamp), meta.current_trading_period.regular
    if session_of(last, meta) != session_of(period.start, meta):
        return None
    final = last == period.start and fetched_at.timestamp() >= period.end
    return None if final else session_of(last, meta)
