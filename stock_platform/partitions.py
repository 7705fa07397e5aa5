"""The partitions of the asset graph: trading days, which, why and since when.

A partition is a *session*: a day on which at least one of the configured exchanges was open.
Weekends and holidays are excluded from a daily time window, so that a Friday is 24 hours
long and a day with a change of clocks is what it was; `end_offset` stays 0, because offsets
and exclusions together give wrong keys (dagster issue 33551).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import dagster as dg

from stock_platform.calendars import sessions

SESSION_FORMAT: Final = "%Y-%m-%d"
# Exclusions are part of a partitions definition's identity, so they reach a little into the
# future: exchanges announce their holidays about a year ahead.
_CALENDAR_AHEAD: Final = timedelta(days=366)
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
    exchanges: Iterable[str], start: date, end: date | None, timezone: str = "America/New_York"
) -> dg.TimeWindowPartitionsDefinition:
    """Daily partitions on the days when at least one exchange was open.

    Args:
        exchanges: MICs whose sessions make the partitions.
        start: the first day that may be a partition.
        end: the last day that may be a partition; None follows the calendar.
        timezone: in which midnight ends a session's day.

    Raises:
        UnknownExchangeError: no calendar is known for a MIC.
    """
    horizon = end or date.today() + _CALENDAR_AHEAD  # noqa: DTZ011 - a bound, not a fact
    open_days = {day for mic in exchanges for day in sessions(mic, start, horizon)}
    every_day = [start + timedelta(days=n) for n in range((horizon - start).days + 1)]
    never_open = sorted(set(range(_WEEK)) - {day.isoweekday() % _WEEK for day in open_days})
    holidays = [
        datetime(day.year, day.month, day.day)  # noqa: DTZ001 - Dagster reads it in `timezone`
        for day in every_day
        if day not in open_days and day.isoweekday() % _WEEK not in never_open
    ]
    weekends = [f"0 0 * * {','.join(map(str, never_open))}"] if never_open else []
    return dg.TimeWindowPartitionsDefinition(
        start=start.isoformat(),
        end=(end + timedelta(days=1)).isoformat() if end else None,
        fmt=SESSION_FORMAT,
        cron_schedule="0 0 * * *",
        timezone=timezone,
        exclusions=[*weekends, *holidays],
    )


def require_sessions(days: dg.PartitionsDefinition[str], keys: Sequence[str]) -> None:
    """Refuse keys that are no trading day.

    Raises:
        NotASessionError: naming the keys that are none.
    """
    unknown = [key for key in keys if not days.has_partition_key(key)]
    if unknown:
        raise NotASessionError(
            f"{', '.join(unknown)}: not a trading day of this deployment. Weekends, exchange "
            "holidays and days outside START_DATE..END_DATE have no partition; choose a session "
            "from the asset's Partitions tab."
        )
