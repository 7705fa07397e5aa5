"""What a rule says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SAMPLE: Final = 10


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one measurement.

    Attributes:
        offending: how many rows, lines, bars or symbols break the rule.
        says: one sentence for the reader of the check.
        tolerable: a failure that warns and never blocks.
        sample: some of the offenders; one of a symbol begins with "SYMBOL: ".
    """

    offending: int
    says: str
    tolerable: bool = False
    sample: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing offends."""
        return self.offending == 0


def judged(offenders: Iterable[str], says: str, *, tolerable: bool = False) -> Verdict:
    """The verdict over named offenders, which stand in its sample in their order of name."""
    found = sorted(offenders)
    return Verdict(len(found), f"{len(found)} {says}", tolerable, tuple(found[:SAMPLE]))


def counted(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Counts as a sample: one text for each that is not zero."""
    return tuple(f"{name}: {count}" for name, count in sorted(counts.items()) if count)
