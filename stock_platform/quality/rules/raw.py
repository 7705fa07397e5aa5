"""Rules for one session of raw prices, and for the freshness of the newest session."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stock_platform.market_data.models import EXPECTED_ABSENCES, Outcome
from stock_platform.quality.rules.result import MAX_EXAMPLES, RuleResult, result_of
from stock_platform.settings.quality import QualityLimits

# In a small universe, two failing symbols are no outage of the source.
_FEWEST_OF_AN_OUTAGE: Final = 5


@dataclass(frozen=True)
class RawSession:
    """The raw records of one session, as sets of symbols.

    Attributes:
        expected: active symbols whose exchange was open, half days included.
        recorded: symbols with a raw record, except records that call the session closed.
        fetched: outcome of the last fetch by symbol; an earlier record may have a better one.
        live: symbols whose best record has a bar that was not final.
        early: symbols whose bar counts as final but was fetched before the exchange closed.
    """

    expected: frozenset[str]
    recorded: frozenset[str]
    fetched: Mapping[str, str]
    live: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Freshness:
    """The age of the newest prices.

    Attributes:
        due: recent sessions whose prices are due and missing, ascending.
        newest: the newest session with prices.
        since: the time at which the oldest missing session was due.
    """

    due: tuple[str, ...]
    newest: str | None
    since: datetime | None = None


def all_symbols_present(session: RawSession, _: QualityLimits) -> RuleResult:
    """Every active company whose exchange was open, even for half a day, has a raw record.

    A record contains the answer for a symbol, even if there is no price. A missing record is data
    loss: later stages cannot distinguish it from a company that did not trade. Fetch the session
    again.
    """
    return result_of(
        session.expected - session.recorded,
        f"of {len(session.expected)} expected symbols without a raw record",
    )


def source_responded(session: RawSession, limits: QualityLimits) -> RuleResult:
    """Every symbol got a usable bar at its last fetch, or has a valid reason for having none.

    Unknown symbols, throttling, errors of Yahoo, null bars and unfinished bars warn. If more than
    QUALITY__FAILED_SYMBOLS_SHARE of the known symbols fail, and at least five or all of them, the
    source counts as down and downstream assets are blocked. A symbol unknown to Yahoo is an error
    of the ERP. Look at the outcomes, then fetch the session again.
    """
    due = {
        symbol: outcome
        for symbol, outcome in session.fetched.items()
        if outcome not in EXPECTED_ABSENCES
    }
    failed = [f"{symbol}: {outcome}" for symbol, outcome in due.items() if outcome != Outcome.OK]
    known = [outcome for outcome in due.values() if outcome != Outcome.UNKNOWN_SYMBOL]
    lost = sum(outcome != Outcome.OK for outcome in known)
    is_outage = lost > len(known) * limits.failed_symbols_share and (
        lost >= _FEWEST_OF_AN_OUTAGE or lost == len(known)
    )
    return result_of(
        failed, f"of {len(due)} due symbols without a usable bar", warn_only=not is_outage
    )


def bars_are_final(session: RawSession, _: QualityLimits) -> RuleResult:
    """No bar was fetched while its session was still open.

    A bar that Yahoo marks as live is quarantined and warns. A bar that counts as final but was
    fetched before the close would put a price into the warehouse that is not the closing price:
    downstream assets are blocked. Fetch the session again after the close.
    """
    live = {f"{symbol}: live bar, quarantined" for symbol in session.live}
    early = {f"{symbol}: fetched before the close" for symbol in session.early}
    return result_of(
        live | early,
        f"of {len(session.recorded)} bars are not final",
        warn_only=not session.early,
    )


# Broken by a run's own records, they refuse the run: it is kept and never processed.
BLOCKING_RULES: Final[tuple[Callable[[RawSession, QualityLimits], RuleResult], ...]] = (
    all_symbols_present,
    source_responded,
    bars_are_final,
)


def fresh(prices: Freshness, limits: QualityLimits) -> RuleResult:
    """Each session of the last QUALITY__DUE_WITHIN_DAYS days has its prices when they are due.

    Prices are due QUALITY__DUE_AFTER_CLOSE_HOURS hours after the last of the deployment's exchanges
    has closed and the day has ended in New York, which is when its partition begins to exist.
    Weekends, holidays and sessions before the first one with prices are never late. Decisions
    based on old prices are wrong: check that the schedule is on and the daemon is running, then
    materialize the missing sessions.
    """
    state = f"prices up to {prices.newest}" if prices.newest else "no prices yet"
    return RuleResult(
        len(prices.due),
        f"{state}; {len(prices.due)} sessions of the last {limits.due_within_days} days are due "
        "and missing",
        warn_only=True,
        examples=prices.due[-MAX_EXAMPLES:],
    )
