"""Exchange calendars: the sessions of each exchange and their hours.

Belongs here: reading the package `exchange_calendars`, and corrections of its known errors. The
partitions of the asset graph are built from these sessions in `partitions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from stock_platform.errors import StockPlatformError

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

# Venues that use the calendar of another venue and are unknown to exchange_calendars.
_SHARED_CALENDARS: Final = {
    "ARCX": "XNYS",
    "BATS": "XNYS",
    "OTCM": "XNYS",
    "XASE": "XNYS",
    "XLOM": "XLON",
    "XNSE": "XBOM",
    "XTSX": "XTSE",
}

# Days that are sessions in exchange_calendars 4.13.2 although the exchange was closed:
# typhoon Saola and the black rainstorm of September 2023.
_CLOSURES: Final = {
    "XHKG": frozenset({date(2023, 9, 1), date(2023, 9, 8)}),
}

# Midnight in this zone ends the day of a partition.
PARTITION_TIMEZONE: Final = "America/New_York"

_PADDING: Final = timedelta(days=14)


class UnknownExchangeError(StockPlatformError, ValueError):
    """There is no trading calendar for a MIC."""


@dataclass(frozen=True)
class SessionHours:
    """One session of an exchange: its local date, and its regular hours in UTC."""

    day: date
    opens_at: datetime
    closes_at: datetime
    is_half_day: bool


@lru_cache(maxsize=1024)
def calendar_code(mic: str) -> str | None:
    """Return the name of an exchange's calendar, or None if there is none.

    Args:
        mic: ISO 10383 market identifier code, such as ``XNAS``.
    """
    import exchange_calendars as xcals  # noqa: PLC0415 - heavy import

    code = _SHARED_CALENDARS.get(mic, mic)
    if code not in xcals.get_calendar_names(include_aliases=True):
        return None
    resolved: str = xcals.resolve_alias(code)
    return resolved


def sessions(mic: str, start: date, end: date) -> list[date]:
    """Return the sessions of an exchange from start to end, both included, ascending.

    Days outside `known_days` are not included.

    Raises:
        UnknownExchangeError: there is no calendar for the MIC.
    """
    closed = _CLOSURES.get(mic, frozenset())
    days = (stamp.date() for stamp in _calendar(_known_code(mic), start, end).sessions)
    return [day for day in days if start <= day <= end and day not in closed]


def known_days(mic: str, start: date, end: date) -> tuple[date, date]:
    """Return the part of a range for which an exchange's holidays are recorded.

    Shanghai, Bombay and Singapore are recorded for at most one year ahead, and some markets only
    from a certain year on.

    Raises:
        UnknownExchangeError: there is no calendar for the MIC.
    """
    calendar = _calendar(_known_code(mic), start, end)
    first, last = calendar.bound_min(), calendar.bound_max()
    return (
        max(start, first.date()) if first is not None else start,
        min(end, last.date()) if last is not None else end,
    )


def session_hours(mic: str, start: date, end: date) -> Iterator[SessionHours]:
    """Yield the sessions of an exchange with their hours.

    Raises:
        UnknownExchangeError: there is no calendar for the MIC.
    """
    calendar = _calendar(_known_code(mic), start, end)
    half_days = {stamp.date() for stamp in calendar.early_closes}
    schedule = calendar.schedule.loc[start.isoformat() : end.isoformat(), ["open", "close"]]
    hours = {stamp.date(): (opens, closes) for stamp, opens, closes in schedule.itertuples()}
    for day in sessions(mic, start, end):
        opens, closes = hours[day]
        yield SessionHours(day, opens.to_pydatetime(), closes.to_pydatetime(), day in half_days)


def partition_end(session: date) -> datetime:
    """Return the moment from which the partition of a session exists: the end of its day."""
    midnight = time(tzinfo=ZoneInfo(PARTITION_TIMEZONE))
    return datetime.combine(session + timedelta(days=1), midnight)


def calendar_version() -> str:
    """Return the name and version of the package that provides the sessions."""
    import exchange_calendars as xcals  # noqa: PLC0415 - heavy import

    return f"exchange_calendars {xcals.__version__}"


def _known_code(mic: str) -> str:
    code = calendar_code(mic)
    if code is None:
        raise UnknownExchangeError(
            f"there is no trading calendar for exchange {mic!r}; "
            "use an ISO 10383 MIC such as XNYS, or add its calendar in calendars.py"
        )
    return code


@lru_cache(maxsize=64)
def _calendar(code: str, start: date, end: date) -> "ExchangeCalendar":
    import exchange_calendars as xcals  # noqa: PLC0415 - heavy import
    import pandas as pd  # noqa: PLC0415 - heavy import

    # A calendar rejects a range without any session, such as one weekend: widen the range.
    first, last = pd.Timestamp(start - _PADDING), pd.Timestamp(end + _PADDING)
    try:
        return xcals.get_calendar(code, start=first, end=last)
    except ValueError:  # beyond the recorded holidays, whose bounds only an instance knows
        recorded = xcals.get_calendar(code)
        first = max(filter(None, (first, recorded.bound_min())))
        last = min(filter(None, (last, recorded.bound_max())))
        return xcals.get_calendar(code, start=first, end=last)
