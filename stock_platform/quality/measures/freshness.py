"""Measure how recent the stored prices are."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from stock_platform.calendars import partition_end, session_hours
from stock_platform.lake import raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun, RunName
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
    names = raw_runs.run_names(paths)
    by_first = sorted(names, key=lambda name: name.first)
    oldest = next((run.sessions[0] for run in _fetched_runs(paths, by_first)), None)
    if oldest is None:
        return Freshness((), None)
    first, last = between
    until = min(last or now.date(), now.date())
    since = until - timedelta(days=limits.due_within_days)
    since = max(since, first, date.fromisoformat(oldest))
    present = _fetched_sessions(paths, names, since.isoformat())
    ends: dict[str, datetime] = {}
    for mic in exchanges:
        for hours in session_hours(mic, min(since, until), until):
            session = hours.day.isoformat()
            ends[session] = max(hours.closes_at, ends.get(session, partition_end(hours.day)))
    delay = timedelta(hours=limits.due_after_close_hours)
    due = {
        session: end + delay
        for session, end in ends.items()
        if session not in present and end + delay <= now
    }
    return Freshness(
        tuple(sorted(due)), max(present, default=None), min(due.values(), default=None)
    )


def _fetched_sessions(paths: LakePaths, names: Sequence[RunName], since: str) -> set[str]:
    """Return the sessions of usable runs that reach a day, or of the newest usable run before."""
    found: set[str] = set()
    for name in sorted(names, key=lambda name: name.last, reverse=True):
        if name.last < since and found:
            break
        for run in _fetched_runs(paths, [name]):
            found.update(run.sessions)
    return found


def _fetched_runs(paths: LakePaths, names: Iterable[RunName]) -> Iterator[RawRun]:
    """Yield the runs whose sessions count as fetched: usable ones of all symbols."""
    for name in names:
        run = raw_runs.read_run(paths, name)
        if run is not None and not run.refused and not run.securities:
            yield run
