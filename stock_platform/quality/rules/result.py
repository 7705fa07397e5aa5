"""The result of a rule, and the ways to build one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_EXAMPLES: Final = 10


@dataclass(frozen=True)
class RuleResult:
    """The result of a rule for one measurement.

    Attributes:
        failure_count: number of rows, records, bars or symbols that break the rule.
        summary: one sentence for the reader of the check. Dagster renders it as Markdown, so it
            contains only our own words and numbers.
        warn_only: a failure warns and never blocks.
        examples: some of the failures; one about a symbol starts with "SYMBOL: ".
    """

    failure_count: int
    summary: str
    warn_only: bool = False
    examples: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if nothing breaks the rule."""
        return self.failure_count == 0


def result_of(failures: Iterable[str], summary: str, *, warn_only: bool = False) -> RuleResult:
    """Build the result for named failures; the summary follows their number."""
    found = sorted(failures)
    return RuleResult(len(found), f"{len(found)} {summary}", warn_only, tuple(found[:MAX_EXAMPLES]))


def count_texts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return one text per count that is not zero, in order of name."""
    return tuple(f"{name}: {count}" for name, count in sorted(counts.items()) if count)
