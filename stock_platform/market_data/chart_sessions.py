"""Sessions of a Yahoo chart: the date of a timestamp, and whether its bar is final.

Belongs here: dates that the response itself contains. Exchange calendars are in ``calendars``.
"""

from datetime import date, datetime, timedelta

from stock_platform.market_data.chart_schema import Meta, Result


def session_of(stamp: int, meta: Meta) -> date:
    """Return the exchange-local date of a timestamp.

    A daily row meant for midnight may have the timestamp 22:00 or 23:00 of the evening before,
    if daylight saving time is wrong (Sao Paulo, January 2022; yfinance handles this as well).
    """
    local = datetime.fromtimestamp(stamp, meta.exchange_timezone_name)
    slipped = local.hour in {22, 23} and local.minute == local.second == 0
    if slipped and stamp != meta.regular_market_time:
        local += timedelta(hours=24 - local.hour)
    return local.date()


def live_session(result: Result, fetched_at: datetime) -> date | None:
    """Return the session of the last row if its bar is not final, else None.

    A bar is not final before the regular close, nor while its timestamp is that of the last
    trade: a final row has the timestamp of the session's opening. Until then values change even
    after the close: MSFT of 2025-08-15 had a volume of 22,434,808 at 16:00:01 and a final one of
    25,191,800, and its open changed from 522.70 to 522.77.
    """
    meta = result.meta
    if not result.timestamp or meta.current_trading_period is None:
        return None
    last, period = max(result.timestamp), meta.current_trading_period.regular
    if session_of(last, meta) != session_of(period.start, meta):
        return None
    final = last == period.start and fetched_at.timestamp() >= period.end
    return None if final else session_of(last, meta)
