"""Measure how recent the stored prices are."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from stock_platform.calendars import partition_end, session_hours
from stock_platform.lake import raw_prices
from stock_platform.lake.paths import LakePaths
from stock_platform.quality.rules.raw import Freshness
from stock_platform.settings.quality import QualityLimits


def price_freshness(
    paths: LakePaths,
    exchanges: Sequence[str],
    between: tuple[date, date | None],
    now: datetime,
    limits: QualityLimits,
) -> Freshness:
    """Find the newest session with raw prices, and the recent sessions that are due and missing.

    Nothing is due before the first session with prices, because a lake begins somewhere, and so
    nothing is due in an empty lake.

    Args:
        paths: locations in the lake.
        exchanges: MICs of the exchanges whose sessions are due.
        between: first day of the deployment, before which no session can be requested, and its last
            day, None if it has none.
        now: the time at which sessions are due or not.
        limits: how long prices may take, and how far back sessions are due.
    """
    present = raw_prices.published_sessions(paths)
    if not present:
        return Freshness((), None)
    first, last = between
    until = min(last or now.date(), now.date())
    since = until - timedelta(days=limits.due_within_days)
    since = max(since, first, date.fromisoformat(present[0]))
    ends: dict[str, datetime] = {}
    for mic in exchanges:
        for hours in session_hours(mic, min(since, until), until):
            session = hours.day.isoformat()
            ends[session] = max(hours.closes_at, ends.get(session, partition_end(hours.day)))
    delay = timedelta(hours=limits.due_after_close_hours)
    due = {
        session: end + delay
        for session, end in ends.items()
        if session not in set(present) and end + delay <= now
    }
    return Freshness(tuple(sorted(due)), present[-1], min(due.values(), default=None))
