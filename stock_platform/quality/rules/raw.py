"""Rules over a session of raw lines, and over how new the newest session is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stock_platform.limits import QualityLimits
from stock_platform.market_data.models import EXPECTED_ABSENCES, Outcome
from stock_platform.quality.rules.verdict import SAMPLE, Verdict, judged


@dataclass(frozen=True)
class RawSession:
    """A session of raw lines.

    Attributes:
        expected: active symbols whose exchange was open, half days included.
        lines: symbols that have a line that knows of the session.
        fetched: each symbol's outcome when the session was last fetched; the line may be an
            earlier, better one.
        live: symbols whose line holds a bar that was not final.
        early: symbols with a bar taken for final that was fetched before the exchange closed.
    """

    expected: frozenset[str]
    lines: frozenset[str]
    fetched: Mapping[str, str]
    live: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Newest:
    """How new the prices are.

    Attributes:
        due: recent sessions whose prices are due by now and are not there, ascending.
        newest: the newest session that is there.
        since: when the oldest of those that are missing was due.
    """

    due: tuple[str, ...]
    newest: str | None
    since: datetime | None = None


def complete_for_session(session: RawSession, _: QualityLimits) -> Verdict:
    """Every active company whose exchange was open, if for half a day only, has a line.

    A line says what was answered, be it that there is no price. A missing line is a loss: later
    stages cannot tell it from a company that did not trade. Fetch the session again.
    """
    return judged(
        session.expected - session.lines,
        f"of {len(session.expected)} expected symbols have no line",
    )


def no_upstream_errors(session: RawSession, limits: QualityLimits) -> Verdict:
    """At its last fetch, every symbol had a usable bar, or none for a good reason.

    Unknown symbols, throttling, errors of Yahoo, null and unfinished bars warn; when more than
    QUALITY__FAILED_SYMBOLS_SHARE of the symbols that could have a bar fail, the source is taken
    to be down and downstream is stopped. Look at the outcome, then fetch the session again.
    """
    due = {s: o for s, o in session.fetched.items() if o not in EXPECTED_ABSENCES}
    failed = {s: o for s, o in due.items() if o != Outcome.OK}
    share = len(failed) / max(len(due), 1)
    return judged(
        (f"{symbol}: {outcome}" for symbol, outcome in failed.items()),
        f"of {len(due)} symbols due were answered without a usable bar",
        tolerable=share <= limits.failed_symbols_share,
    )


def answer_is_settled(session: RawSession, _: QualityLimits) -> Verdict:
    """No bar was taken while its session was still open.

    A bar that Yahoo marks as live is quarantined and warns. One that is taken for final though
    it was fetched before the close would stand in the warehouse with a price at which the
    session did not end: downstream is stopped. Fetch the session again after the close.
    """
    live = {f"{symbol}: live bar, quarantined" for symbol in session.live}
    early = {f"{symbol}: fetched before the close" for symbol in session.early}
    return judged(
        live | early,
        f"of {len(session.lines)} bars are not settled",
        tolerable=not session.early,
    )


def fresh(prices: Newest, limits: QualityLimits) -> Verdict:
    """Each session of the last QUALITY__DUE_WITHIN_DAYS days has its prices when they are due.

    They are due QUALITY__DUE_AFTER_CLOSE_HOURS after the last of the deployment's exchanges closed
    and the day ended in New York, when its partition begins to exist. Sessions are those of the
    exchanges, so that no weekend or holiday is late; none is late before the first that is there.
    Who reads old prices for new ones decides on them: see whether the schedule is on and the
    daemon runs, then materialize the sessions that are missing.
    """
    there = f"up to {prices.newest}" if prices.newest else "of no session yet"
    return Verdict(
        len(prices.due),
        f"prices are there {there}; {len(prices.due)} sessions of the last "
        f"{limits.due_within_days} days are due and missing",
        tolerable=True,
        sample=prices.due[-SAMPLE:],
    )
