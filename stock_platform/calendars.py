"""Exchange calendars: which days were sessions on which exchange, and their hours.

Belongs here: the reading of `exchange_calendars` and its known errors. Partitions of the
asset graph are made of these in `partitions`; nothing here knows of Dagster.
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

# Venues that keep another venue's calendar and that exchange_calendars has no name for.
_SHARED_CALENDARS: Final = {
    "ARCX": "XNYS",
    "BATS": "XNYS",
    "OTCM": "XNYS",
    "XASE": "XNYS",
    "XLOM": "XLON",
    "XNSE": "XBOM",
    "XTSX": "XTSE",
}

# Days that exchange_calendars 4.13.2 calls sessions and on which the exchange was shut:
# typhoon Saola and the black rainstorm of September 2023.
_CLOSURES: Final = {
    "XHKG": frozenset({date(2023, 9, 1), date(2023, 9, 8)}),
}


_PADDING: Final = timedelta(days=14)


class UnknownExchangeError(ValueError):
    """No trading calendar is known for a MIC."""


def calendar_code(mic: str) -> str | None:
    """The name of the calendar that an exchange keeps, or None where none is known.

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
    """The days on which an exchange was open, from start to end, both included, ascending.

    Raises:
        UnknownExchangeError: no calendar is known for the MIC.
    """
    closed = _CLOSURES.get(mic, frozenset())
    calendar = exchange_calendar(mic, start, end)
    days = (
        stamp.date() for stamp in calendar.sessions_in_range(start.isoformat(), end.isoformat())
    )
    return [day for day in days if day not in closed]


@lru_cache(maxsize=64)
def exchange_calendar(mic: str, start: date, end: date) -> "ExchangeCalendar":
    """The calendar that an exchange keeps, built for a range of days.

    Raises:
        UnknownExchangeError: no calendar is known for the MIC.
    """
    import exchange_calendars as xcals  # noqa: PLC0415 - heavy import
    import pandas as pd  # noqa: PLC0415 - heavy import

    code = calendar_code(mic)
    if code is None:
        raise UnknownExchangeError(
            f"no trading calendar is known for exchange {mic!r}; "
            "use an ISO 10383 MIC such as XNYS, or add its calendar in calendars.py"
        )
    # A calendar refuses a range without any session, such as one weekend: build it wider.
    return xcals.get_calendar(
        code, start=pd.Timestamp(start - _PADDING), end=pd.Timestamp(end + _PADDING)
    )


def calendar_version() -> str:
    """The package and version that the sessions come from."""
    import exchange_calendars as xcals  # noqa: PLC0415 - heavy import

    return f"exchange_calendars {xcals.__version__}"
