"""Rules over an ERP batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stock_platform.limits import QualityLimits
from stock_platform.quality.rules.verdict import SAMPLE, Verdict, counted, judged


@dataclass(frozen=True)
class ErpMeasure:
    """What is known from the ERP.

    Attributes:
        facts: rows that are known.
        rejected: rows of the newest export that broke the contract, by reason.
        vanished: identities that the newest export lacks.
        refused: files that were rejected and still lie in the landing folder, with the reason.
        outdated: the newest file, if it came late, and how many older states it tells.
    """

    facts: int
    rejected: Mapping[str, int]
    vanished: Sequence[str]
    refused: Mapping[str, str]
    outdated: Mapping[str, int] = field(default_factory=dict)


def files_accepted(known: ErpMeasure, _: QualityLimits) -> Verdict:
    """No file lies in the landing folder that was rejected whole.

    What such a file says is not used: the dimensions stand as they stood before it. Overwrite it
    with a good export, or delete it.
    """
    return judged(
        [f"{name}: {reason}" for name, reason in known.refused.items()],
        "files in the landing folder were rejected",
    )


def every_row_accepted(known: ErpMeasure, _: QualityLimits) -> Verdict:
    """Each row of the newest export was accepted, and none that was known is missing from it.

    A rejected row is kept with its line, reason and text, and what was known of its key stays as
    it was. So does a key that vanished from the export. Mend the export and drop it again. What a
    file that came late tells of older states is not used: a correction needs a day of its own.
    """
    outdated = sum(known.outdated.values())
    reasons = {
        **known.rejected,
        **({"vanished": len(known.vanished)} if known.vanished else {}),
        **({"outdated": outdated} if outdated else {}),
    }
    return Verdict(
        sum(reasons.values()),
        f"{known.facts} rows known, {sum(known.rejected.values())} rejected, "
        f"{len(known.vanished)} keys vanished, {outdated} rows of a late file are outdated",
        tolerable=True,
        sample=(*counted(reasons), *(f"{key}: vanished" for key in known.vanished))[:SAMPLE],
    )
