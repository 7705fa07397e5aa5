"""What the page shows, as plain data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


def counted(count: int, word: str) -> str:
    """A number and its word: 1 session, 2,500 sessions."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class RunSummary:
    """A run that has ended.

    Attributes:
        first: its first session, and `last` its last; empty where it has none.
    """

    run_id: str
    job: str
    status: str
    started_at: datetime
    seconds: float
    first: str = ""
    last: str = ""

    def makes_up_for(self, failed: "RunSummary") -> bool:
        """Whether it succeeded later at what another failed at, by its job and sessions."""
        return (
            self.status == "SUCCESS"
            and self.started_at > failed.started_at
            and self.job == failed.job
            and self.first <= failed.first
            and failed.last <= self.last
        )


@dataclass(frozen=True)
class DagsterState:
    """What Dagster knows.

    Attributes:
        url: of its UI.
        checks: asset and name of those that there are; one that is gone can never pass again.
        runs: the newest that have ended.
    """

    url: str
    checks: Collection[tuple[str, str]]
    runs: Sequence[RunSummary]


@dataclass(frozen=True)
class OpenFailure:
    """The newest verdict on a check and partition, where it is a failure.

    Attributes:
        session: the partition; None where the whole asset was judged.
        since: when the present streak of failures began.
    """

    asset: str
    check: str
    session: str | None
    severity: str
    blocking: bool
    since: datetime
    says: str
    sample: Sequence[str]
    run_id: str


@dataclass(frozen=True)
class CheckFailures:
    """The open failures of one check: errors first, the newest session first."""

    failures: Sequence[OpenFailure]

    @property
    def worst(self) -> OpenFailure:
        """The newest of the most severe."""
        return self.failures[0]

    @property
    def since(self) -> datetime:
        """When the oldest of them began."""
        return min(it.since for it in self.failures)

    @property
    def extent(self) -> str:
        """How many sessions there are, of each severity."""
        if self.worst.session is None:
            return "the whole asset"
        errors = sum(it.severity == "ERROR" for it in self.failures)
        warnings = len(self.failures) - errors
        apart = f" ({errors} of them errors)" if errors and warnings else ""
        return f"{counted(len(self.failures), 'session')}{apart}"


@dataclass(frozen=True)
class Coverage:
    """A symbol's sessions.

    Attributes:
        expected: sessions that it should have; None where it never had a price, so that nobody
            knows since when it trades, or where its exchange has no calendar.
        present: sessions that have a price.
        missing: expected sessions without one.
        quarantined: its quarantined records by reason.
    """

    symbol: str
    expected: int | None
    present: int
    missing: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True)
class Bars:
    """A bar that offends, with its neighbours: dates and OHLC columns."""

    symbol: str
    session: str
    says: str
    columns: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    Attributes:
        states: for each "asset · check" a mapping of session to passed, warned or failed.
        sentences: by the same keys, what was said.
        whole: newest verdicts on whole assets: asset, check, state, sentence, when.
        rows: prices by session.
    """

    generated_at: datetime
    dagster_url: str
    newest_session: date | None
    last_checked: datetime | None
    states: Mapping[str, Mapping[str, str]]
    sentences: Mapping[str, Mapping[str, str]]
    whole: Sequence[tuple[str, str, str, str, str]]
    failures: Sequence[OpenFailure]
    coverage: Sequence[Coverage]
    bars: Sequence[Bars]
    rows: Mapping[str, int]
    runs: Sequence[RunSummary]

    @property
    def failed_runs(self) -> list[RunSummary]:
        """Runs that failed and that no later run made up for, the newest first."""
        failed = [it for it in self.runs if it.status == "FAILURE"]
        return [it for it in failed if not any(run.makes_up_for(it) for run in self.runs)]

    @property
    def sessions(self) -> list[str]:
        """All that were judged, ascending."""
        return sorted({session for states in self.states.values() for session in states})

    @property
    def errors(self) -> int:
        """Open failures that are errors."""
        return sum(it.severity == "ERROR" for it in self.failures)

    @property
    def warnings(self) -> int:
        """Open failures that warn."""
        return len(self.failures) - self.errors
