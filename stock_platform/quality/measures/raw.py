"""Measure sessions of raw prices: expected symbols, records, outcomes and unfinished bars."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, partial

from stock_platform.calendars import calendar_code, session_hours
from stock_platform.erp import store
from stock_platform.erp.history import active_days
from stock_platform.lake import raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun, Record
from stock_platform.market_data.models import Outcome, outcome_rank
from stock_platform.quality.rules.raw import BLOCKING_RULES, RawSession
from stock_platform.settings.quality import QualityLimits

# Closing times of an exchange by session.
ClosingTimes = Callable[[str], Mapping[str, datetime]]
# Rank and time of the fetch: the greatest counts, as in the Spark job.
_Order = tuple[int, str]


@dataclass
class _Answers:
    """The newest and the best answer for each symbol of one session.

    Attributes:
        newest: time and outcome of the last fetch, of refused runs too.
        best: order, outcome and whether the bar is early, of usable runs.
        refused: the same, of refused runs since the last usable run.
    """

    newest: dict[str, tuple[str, str]] = field(default_factory=dict)
    best: dict[str, tuple[_Order, str, bool]] = field(default_factory=dict)
    refused: dict[str, tuple[_Order, str, bool]] = field(default_factory=dict)

    def add(self, record: Record, *, is_refused: bool, is_early: bool) -> None:
        symbol, outcome, fetched = record["symbol"], record["outcome"], record["fetched_at"]
        self.newest[symbol] = max(self.newest.get(symbol, ("", "")), (fetched, outcome))
        answers = self.refused if is_refused else self.best
        answer = (outcome_rank(outcome), fetched), outcome, is_early
        answers[symbol] = max(answers.get(symbol, answer), answer)

    def measure(self, expected: frozenset[str]) -> RawSession:
        best = {
            symbol: max(
                found for found in (self.best.get(symbol), self.refused.get(symbol)) if found
            )
            for symbol in {*self.best, *self.refused}
        }
        return RawSession(
            expected=expected,
            recorded=frozenset(
                symbol for symbol, (_, outcome, _) in best.items() if outcome != Outcome.NO_SESSION
            ),
            fetched={symbol: outcome for symbol, (_, outcome) in self.newest.items()},
            live=frozenset(
                symbol for symbol, (_, outcome, _) in best.items() if outcome == Outcome.LIVE_BAR
            ),
            early=frozenset(symbol for symbol, (*_, is_early) in best.items() if is_early),
        )


def measure_raw_sessions(paths: LakePaths, sessions: Sequence[str]) -> dict[str, RawSession]:
    """Measure sessions over all runs, against the active companies and the calendars.

    A refused run counts until a later run is usable, so that its failure is seen.

    Raises:
        CorruptObjectError: an object of a run is damaged.
    """
    active: dict[str, set[str]] = defaultdict(set)
    companies = store.load(paths, "companies").records
    closing_times = _closing_times_between(sessions)
    for listing, days in active_days(companies, sessions).items():
        for session in {day.isoformat() for day in days} & set(closing_times(listing.exchange)):
            active[session].add(listing.symbol)
    answers = _answers(raw_runs.runs_of(paths, sessions), sessions, closing_times)
    return {session: answers[session].measure(frozenset(active[session])) for session in sessions}


def refusals(run: RawRun, limits: QualityLimits) -> list[str]:
    """Return why a run must not be processed: the blocking rules that its own records break."""
    sessions = run.sessions
    expected: dict[str, set[str]] = defaultdict(set)
    for request in run.manifest["requests"]:
        for session in run.manifest["open"][request["exchange"]]:
            if any(first <= session <= last for first, last in request["sessions"]):
                expected[session].add(request["symbol"])
    answers = _answers([run], sessions, _closing_times_between(sessions))
    found = []
    for session in sessions:
        measure = answers[session].measure(frozenset(expected[session]))
        for rule in BLOCKING_RULES:
            result = rule(measure, limits)
            if not result.passed and not result.warn_only:
                found.append(f"{session} {rule.__name__}: {result.summary}")
    return found


def _answers(
    runs: Iterable[RawRun], sessions: Sequence[str], closing_times: ClosingTimes
) -> dict[str, _Answers]:
    answers = {session: _Answers() for session in sessions}
    for run in runs:
        if not run.refused:
            for session in answers.keys() & set(run.sessions):
                answers[session].refused.clear()
        for record in raw_runs.records([run], sessions):
            answers[record["session_date"]].add(
                record, is_refused=bool(run.refused), is_early=_is_early(record, closing_times)
            )
    return answers


def _closing_times_between(sessions: Sequence[str]) -> ClosingTimes:
    return cache(partial(_closing_times, first=min(sessions), last=max(sessions)))


def _closing_times(mic: str, *, first: str, last: str) -> Mapping[str, datetime]:
    if not calendar_code(mic):
        return {}
    sessions = session_hours(mic, date.fromisoformat(first), date.fromisoformat(last))
    return {hours.day.isoformat(): hours.closes_at for hours in sessions}


def _is_early(record: Record, closing_times: ClosingTimes) -> bool:
    """Return True if a bar counts as final but was fetched before its exchange closed."""
    closed = closing_times(str(record.get("exchange"))).get(str(record.get("session_date")))
    if record["outcome"] != Outcome.OK or closed is None:
        return False
    try:
        fetched = datetime.fromisoformat(str(record.get("fetched_at")))
    except ValueError:
        return False  # the job quarantines such a record
    return (fetched if fetched.tzinfo else fetched.replace(tzinfo=UTC)) < closed
