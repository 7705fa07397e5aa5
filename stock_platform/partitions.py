"""The partitions of the asset graph: trading days, which, why and since when.

A partition is a *session*: a day on which at least one of the configured exchanges was open.
Weekends and holidays are excluded from a daily time window, so that a Friday is 24 hours
long and a day with a change of clocks is what it was; `end_offset` stays 0, because offsets
and exclusions together give wrong keys (dagster issue 33551).
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg

from stock_platform.calendars import known_days, sessions

SESSION_FORMAT: Final = "%Y-%m-%d"
# Its midnight ends a session's day.
_TIMEZONE: Final = "America/New_York"
_WEEK: Final = 7


class NotASessionError(dg.DagsterUnknownPartitionError):
    """A partition key was asked for that is no trading day of the configured exchanges."""


class BackfillPolicy(dg.BackfillPolicy):
    """Ranges in one run from the command line, in runs of a year from the UI's backfills.

    Dagster's CLI takes a range only where the policy says it is a single run, and its daemon
    cuts a range only where the policy has a maximum. Both read the same object: the CLI this
    class, the daemon its serialised fields, which are the parent's. The class keeps its
    parent's name because that is what it is serialised by.
    """

    @property
    def policy_type(self) -> Any:  # noqa: ANN401 - Dagster's enum is not public
        """What the CLI asks: one run, however long the range."""
        return dg.BackfillPolicy.single_run().policy_type


# 252 sessions are a year of New York; a year at a time bounds Spark's memory (5.1 GB for
# five years of 5,000 symbols on Sail, against 1.1 GB for one of 3,000).
RANGE_RUNS: Final = BackfillPolicy(max_partitions_per_run=252)


def trading_days(
    exchanges: Sequence[str], start: date, end: date | None
) -> dg.TimeWindowPartitionsDefinition:
    """Daily partitions on the days when at least one exchange was open.

    Args:
        exchanges: MICs whose sessions make the partitions.
        start: the first day that may be a partition.
        end: the last day that may be a partition; None follows the calendar.

    Raises:
        UnknownExchangeError: no calendar is known for a MIC.
        ValueError: a calendar is recorded from a later day than the start only.
    """
    # Exclusions are part of the definition's identity: a horizon that moved with each day would
    # make it another definition each day.
    next_year = date.today().year + 1  # noqa: DTZ011 - a bound, not a fact
    horizon = end or date(next_year, 12, 31)
    for mic in exchanges:
        known_from, known_to = known_days(mic, start, horizon)
        if known_from > start:
            raise ValueError(
                f"the holidays of {mic} are recorded from {known_from}; set START_DATE to it"
            )
        horizon = min(horizon, known_to)
    open_days = {day for mic in exchanges for day in sessions(mic, start, horizon)}
    every_day = [start + timedelta(days=n) for n in range((horizon - start).days + 1)]
    never_open = sorted(set(range(_WEEK)) - {day.isoweekday() % _WEEK for day in open_days})
    holidays = [
        datetime(day.year, day.month, day.day)  # noqa: DTZ001 - Dagster reads it in the zone
        for day in every_day
        if day not in open_days and day.isoweekday() % _WEEK not in never_open
    ]
    weekends = [f"0 0 * * {','.join(map(str, never_open))}"] if never_open else []
    return dg.TimeWindowPartitionsDefinition(
        start=start.isoformat(),
        end=(end + timedelta(days=1)).isoformat() if end else None,
        fmt=SESSION_FORMAT,
        cron_schedule="0 0 * * *",
        timezone=_TIMEZONE,
        exclusions=[*weekends, *holidays],
    )


def partition_end(session: date) -> datetime:
    """When a session's partition begins to exist: its day has ended in the partitions' zone."""
    return datetime.combine(session + timedelta(days=1), time(), ZoneInfo(_TIMEZONE))


def require_sessions(days: dg.TimeWindowPartitionsDefinition, keys: Sequence[str]) -> None:
    """Refuse keys that are no trading day.

    Raises:
        NotASessionError: naming the keys that are none.
    """
    unknown = [key for key in dict.fromkeys(keys) if not days.has_partition_key(key)]
    if unknown:
        raise NotASessionError(
            f"{', '.join(unknown)}: not a trading day of this deployment. Weekends and exchange "
            "holidays have no partition; sessions go from "
            f"{days.get_first_partition_key()} to {days.get_last_partition_key()}"
            f"{_next_session(days, unknown[0])}."
        )


def _next_session(days: dg.TimeWindowPartitionsDefinition, key: str) -> str:
    try:
        following = days.time_window_for_partition_key(key).start
    except (StopIteration, ValueError):
        return ""
    return f", the next one after {key} is {following.strftime(SESSION_FORMAT)}"
