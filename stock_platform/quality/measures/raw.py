"""Measure sessions of raw prices: expected symbols, records, outcomes and unfinished bars."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import Any

from stock_platform.calendars import calendar_code, session_hours
from stock_platform.erp import store
from stock_platform.erp.history import active_days
from stock_platform.lake import raw_prices
from stock_platform.lake.paths import LakePaths
from stock_platform.market_data.models import Outcome
from stock_platform.quality.rules.raw import RawSession

# Closing times of an exchange by session.
ClosingTimes = Callable[[str], Mapping[str, datetime]]


def measure_raw_sessions(paths: LakePaths, sessions: Sequence[str]) -> dict[str, RawSession]:
    """Measure sessions against the active companies of the ERP and the exchange calendars."""
    active: dict[str, dict[str, str]] = defaultdict(dict)
    companies = store.load(paths, "companies").records
    for (mic, symbol), days in active_days(companies, sessions).items():
        for day in days:
            active[day.isoformat()][symbol] = mic
    closing_times = cache(partial(_closing_times, first=min(sessions), last=max(sessions)))
    return {
        session: _measure_session(paths, session, active[session], closing_times)
        for session in sessions
    }


def _measure_session(
    paths: LakePaths, session: str, active: Mapping[str, str], closing_times: ClosingTimes
) -> RawSession:
    records = raw_prices.read(paths, session)
    fetched = raw_prices.last_fetch(paths, session)
    return RawSession(
        expected=frozenset(
            symbol for symbol, mic in active.items() if session in closing_times(mic)
        ),
        recorded=frozenset(
            record["symbol"] for record in records if record["outcome"] != Outcome.NO_SESSION
        ),
        fetched={symbol: str(fetch["outcome"]) for symbol, fetch in fetched.items()},
        live=frozenset(
            record["symbol"] for record in records if record["outcome"] == Outcome.LIVE_BAR
        ),
        early=frozenset(
            record["symbol"]
            for record in records
            if _is_early(record, closing_times)
            # An unchanged response keeps the record; one after the close confirms the bar.
            and _is_early({**record, **fetched.get(record["symbol"], {})}, closing_times)
        ),
    )


def _closing_times(mic: str, *, first: str, last: str) -> Mapping[str, datetime]:
    if not calendar_code(mic):
        return {}
    sessions = session_hours(mic, date.fromisoformat(first), date.fromisoformat(last))
    return {hours.day.isoformat(): hours.closes_at for hours in sessions}


def _is_early(record: Mapping[str, Any], closing_times: ClosingTimes) -> bool:
    """Return True if a bar counts as final but was fetched before its exchange closed."""
    closed = closing_times(str(record.get("exchange"))).get(str(record.get("session_date")))
    if record["outcome"] != Outcome.OK or closed is None:
        return False
    try:
        fetched = datetime.fromisoformat(str(record.get("fetched_at")))
    except ValueError:
        return False  # the job quarantines such a record
    return (fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC)) < closed
