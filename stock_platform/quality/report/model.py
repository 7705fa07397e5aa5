"""The content of the data quality page, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import groupby
from typing import Any

from stock_platform.plain_text import pluralise


@dataclass(frozen=True)
class CheckResult:
    """The newest result of a check on one session, or on a whole table.

    Attributes:
        session: ISO date; empty if the check is on a whole table.
        since: time of the first failure without a later success; None if the check passed.
        examples: some of the rows that failed, in words.
    """

    asset: str
    check: str
    session: str
    passed: bool
    severity: str
    blocking: bool
    evaluated_at: datetime
    since: datetime | None
    description: str
    examples: Sequence[str]
    run_id: str

    @property
    def label(self) -> str:
        """Asset and check."""
        return f"{self.asset} · {self.check}"

    @property
    def state(self) -> str:
        """``passed``, ``warned`` or ``failed``."""
        if self.passed:
            return "passed"
        return "warned" if self.severity == "WARN" else "failed"


@dataclass(frozen=True)
class FailingCheck:
    """The open failures of one check: errors first, then the newest session first."""

    failures: Sequence[CheckResult]

    @property
    def worst(self) -> CheckResult:
        """The newest of the most severe failures."""
        return self.failures[0]

    @property
    def since(self) -> datetime:
        """Start of the oldest failure."""
        return min(failure.since for failure in self.failures if failure.since)

    @property
    def extent(self) -> str:
        """The number of sessions that fail."""
        if not self.worst.session:
            return "the whole asset"
        errors = sum(failure.severity == "ERROR" for failure in self.failures)
        is_mixed = 0 < errors < len(self.failures)
        detail = f" ({pluralise(errors, 'error')})" if is_mixed else ""
        return f"{pluralise(len(self.failures), 'session')}{detail}"


@dataclass(frozen=True)
class Coverage:
    """Sessions and quarantined records of a symbol.

    Attributes:
        expected: number of sessions that should have a price; None if unknown, because the symbol
            never had a price or its exchange has no calendar.
        present: number of sessions with a price.
        missing: number of expected sessions without a price.
        quarantined: number of quarantined records by reason.
    """

    symbol: str
    expected: int | None
    present: int
    missing: int
    quarantined: Mapping[str, int]


@dataclass(frozen=True)
class FailingBar:
    """A bar that fails checks, and the bars around it: dates and OHLC by column."""

    symbol: str
    session: str
    description: str
    columns: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        newest_session: the last session with a price.
        results: newest results, ordered by asset, check and session.
    """

    generated_at: datetime
    dagster_url: str
    newest_session: date | None
    results: Sequence[CheckResult]
    coverage: Sequence[Coverage]
    bars: Sequence[FailingBar]

    @property
    def last_checked(self) -> datetime | None:
        """Time of the newest result."""
        return max((result.evaluated_at for result in self.results), default=None)

    @cached_property
    def session_results(self) -> list[CheckResult]:
        """Results that are about one session."""
        return [result for result in self.results if result.session]

    @cached_property
    def sessions(self) -> list[str]:
        """Sessions with a result, ascending."""
        return sorted({result.session for result in self.session_results})

    @property
    def failing_checks(self) -> list[FailingCheck]:
        """Checks with open failures: those with errors first, then by asset and check."""
        failures = [result for result in self.results if not result.passed]
        newest_first = sorted(failures, key=lambda result: result.session, reverse=True)
        errors_first = sorted(newest_first, key=lambda result: (result.label, result.severity))
        groups = groupby(errors_first, key=lambda result: result.label)
        checks = [FailingCheck(list(group)) for _, group in groups]
        return sorted(checks, key=lambda check: check.worst.severity)

    @property
    def errors(self) -> int:
        """Number of open failures that are errors."""
        return sum(result.state == "failed" for result in self.results)

    @property
    def warnings(self) -> int:
        """Number of open failures that are warnings."""
        return sum(result.state == "warned" for result in self.results)

    @property
    def headline(self) -> str:
        """The overall state."""
        if not self.results:
            return "Nothing has been checked yet"
        counts = ((self.errors, "error"), (self.warnings, "warning"))
        open_failures = " and ".join(pluralise(count, word) for count, word in counts if count)
        return f"{open_failures} open" if open_failures else "All checks pass"
