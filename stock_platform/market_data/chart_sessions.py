"""Sessions of a Yahoo chart: the date of a timestamp, and whether its bar is final.

Belongs here: dates that the response itself contains. Exchange calendars are in ``calendars``.
"""

from datetime import date, datetime, timedelta

from stock_platform.market_data.chart_schema import Meta


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


def live_session(last: int, meta: Meta, fetched_at: datetime) -> date | None:
    """Return the session of the last row if its bar is not final, else None.

    A final row has the timestamp of the session's opening, and arrives after the regular close.
    Until then it has the timestamp of the last trade, and values change even after the close: MSFT
    of 2025-08-15 had a volume of 22,434,808 at 16:00:01 and a final one of 25,191,800, and its open
    changed from 522.70 to 522.77. If the last trade was the close, it is final from the next day.

    Args:
        last: timestamp of the row.
        meta: metadata of the chart.
        fetched_at: time of arrival.
    """
    if meta.current_trading_period is None:
        return None
    session, period = session_of(last, meta), meta.current_trading_period.regular
    if session != session_of(period.start, meta):
        return None
    is_over = fetched_at.timestamp() >= period.end
    is_next_day = fetched_at.astimezone(meta.exchange_timezone_name).date() > session
    is_final = is_over and (last == period.start or (last >= period.end and is_next_day))
    return None if is_final else session
