"""Rules over an ERP batch."""

from collections.abc import Mapping
from dataclasses import dataclass

from stock_platform.limits import QualityLimits
from stock_platform.quality.rules.verdict import Verdict, counted


@dataclass(frozen=True)
class ErpMeasure:
    """An ERP batch: accepted rows, rejected ones by reason, rows kept from the batch before."""

    accepted: int
    rejected: Mapping[str, int]
    kept: int


def every_row_accepted(batch: ErpMeasure, _: QualityLimits) -> Verdict:
    """Each row of the ERP file was accepted, and none that was known is missing from it.

    A rejected row is kept with its line and reason beside the accepted ones; a key that
    vanished or was rejected keeps its last good row. Mend the export and drop it again.
    """
    reasons = {**batch.rejected, "vanished_or_rejected": batch.kept}
    return Verdict(
        sum(reasons.values()),
        f"{batch.accepted} accepted, {sum(batch.rejected.values())} rejected, {batch.kept} kept",
        tolerable=True,
        sample=counted(reasons),
    )
