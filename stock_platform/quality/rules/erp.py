"""Rules for ERP exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stock_platform.quality.rules.result import (
    MAX_EXAMPLES,
    RuleResult,
    count_texts,
    result_of,
)
from stock_platform.settings.quality import QualityLimits


@dataclass(frozen=True)
class ErpMeasure:
    """The accepted ERP records of one kind, and the defects of the newest export.

    Attributes:
        records: number of accepted records.
        rejected: number of rejected rows in the newest export, by reason.
        vanished: keys that are missing from the newest export.
        rejected_files: files in the landing folder that were rejected, with the reason.
        outdated: number of rows with an older state, by name of the newest file, if it came late.
        damaged_entries: one sentence per ledger entry that cannot be read.
    """

    records: int
    rejected: Mapping[str, int]
    vanished: Sequence[str]
    rejected_files: Mapping[str, str]
    outdated: Mapping[str, int] = field(default_factory=dict)
    damaged_entries: Sequence[str] = ()


def files_accepted(measure: ErpMeasure, _: QualityLimits) -> RuleResult:
    """No file in the landing folder was rejected as a whole.

    Nothing in a rejected file is used: the dimensions keep their earlier content. Replace the file
    with a good export, or delete it.
    """
    return result_of(
        (f"{name}: {reason}" for name, reason in measure.rejected_files.items()),
        "rejected files in the landing folder",
    )


def load_ledger_is_readable(measure: ErpMeasure, _: QualityLimits) -> RuleResult:
    """Every entry of the load ledger can be read.

    The outcome of the file of a damaged entry is unknown: it is neither used again nor reported as
    rejected. Restore an earlier version of the entry, or delete it: the file is then loaded again
    if it is still in the landing folder.
    """
    return result_of(measure.damaged_entries, "damaged entries in the load ledger")


def all_rows_accepted(measure: ErpMeasure, _: QualityLimits) -> RuleResult:
    """Every row of the newest export was accepted, and no known key is missing from the export.

    A rejected row is kept with its line number, reason and text, and the earlier record of its key
    stays valid. So does the record of a key that vanished from the export. Fix the export and drop
    it again. Older states in a file that came late are not used: a correction needs a newer date.
    """
    rejected, vanished = sum(measure.rejected.values()), len(measure.vanished)
    outdated = sum(measure.outdated.values())
    counts = {**measure.rejected, "vanished": vanished, "outdated": outdated}
    keys = (f"{key}: vanished" for key in measure.vanished)
    return RuleResult(
        rejected + vanished + outdated,
        f"{measure.records} records; {rejected} rows rejected, {vanished} keys vanished, "
        f"{outdated} outdated rows in a late file",
        warn_only=True,
        examples=(*count_texts(counts), *keys)[:MAX_EXAMPLES],
    )
