"""The partitions of the asset graph: trading days.

A trading day is a day on which at least one configured exchange was open. Weekends and holidays
are excluded from a daily time window, so that the window of a Friday is 24 hours long.
`end_offset` stays 0, because offsets and exclusions together give wrong keys (dagster issue 33551).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import dagster as dg

from stock_platform.calendars import PARTITION_TIMEZONE, known_days, sessions
from stock_platform.errors import StockPlatformError

SESSION_FORMAT: Final = "%Y-%m-%d"
_WEEK: Final = 7


class NotATradingDayError(StockPlatformError, dg.DagsterUnknownPartitionError):
    """A partition key is not a trading day of the configured exchanges."""


class BackfillPolicy(dg.BackfillPolicy):
    """One run per range from the command line, one run per year from the UI's backfills.

    Dagster's CLI accepts a range only if the policy is a single run, and its daemon splits a range
    only if the policy has a maximum. Both read the same object: the CLI this class, the daemon its
    serialised fields, which are the parent's. The class keeps its parent's name, because objects
    are serialised under their class name.
    """

    @property
    def policy_type(self) -> Any:  # noqa: ANN401 - Dagster's enum is not public
        """Return the single-run policy, which the CLI requires for a range of any length."""
        return dg.BackfillPolicy.single_run().policy_type


# 252 sessions are a year of New York; a year at a time bounds Spark's memory (5.1 GB for
# five years of 5,000 symbols on Sail, against 1.1 GB for one of 3,000).
YEARLY_BACKFILL: Final = BackfillPolicy(max_partitions_per_run=252)


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
        ValueError: the start is after the end of the calendars, or a calendar is recorded from
            a later day than the start only.
    """
    # Exclusions are part of the definition's identity: a horizon that moved with each day would
    # make it another definition each day.
    next_year = date.today().year + 1  # noqa: DTZ011 - a bound, not a fact
    horizon = end or date(next_year, 12, 31)
    if start > horizon:
        raise ValueError(
            f"START_DATE {start} is after {horizon}, where trading calendars end: "
            "set STOCK_PLATFORM_START_DATE to an earlier day"
        )
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
        timezone=PARTITION_TIMEZONE,
        exclusions=[*weekends, *holidays],
    )


def require_sessions(days: dg.TimeWindowPartitionsDefinition, keys: Sequence[str]) -> None:
    """Reject keys that are not trading days.

    Raises:
        NotATradingDayError: names the invalid keys.
    """
    unknown = [key for key in dict.fromkeys(keys) if not days.has_partition_key(key)]
    if unknown:
        raise NotATradingDayError(
            f"{', '.join(unknown)}: not a trading day of this deployment. Weekends and exchange "
            "holidays have no partition; sessions go from "
            f"{days.get_first_partition_key()} to {days.get_last_partition_key()}"
            f"{_next_session(days, unknown[0])}."
        )


def _next_session(days: dg.TimeWindowPartitionsDefinition, key: str) -> str:
    try:
        day = date.fromisoformat(key).isoformat()
    except ValueError:
        return ""
    following = next((session for session in days.get_partition_keys() if session > day), None)
    return f", the next one after {key} is {following}" if following else ""
