"""Measure the ERP records, the newest ERP export and the landing folder."""

from collections import Counter

import pyarrow.compute as pc

from stock_platform.lake import erp_landing, raw_erp
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.quality.rules.erp import ErpMeasure
from stock_platform.sources.erp import CONTRACTS


def measure_erp(paths: LakePaths, kind: ErpKind) -> ErpMeasure:
    """Measure the records of one kind, rejected and vanished ones, and rejected files."""
    loads = erp_landing.loads(paths, kind)
    landed = {file.key for file in erp_landing.landed(paths, kind)}
    rejected_files = {
        load.name: load.reason for load in loads if load.refused and load.key in landed
    }
    known = raw_erp.load_if_any(paths, kind)
    if known is None:
        return ErpMeasure(0, {}, (), rejected_files)
    vanished = known.facts.filter(pc.is_valid(known.facts["VANISHED_AT"]))
    return ErpMeasure(
        known.facts.num_rows,
        Counter(str(row["REASON"]) for row in known.rejected),
        tuple(pc.unique(vanished[CONTRACTS[kind].identity]).to_pylist()),
        rejected_files,
        {loads[-1].name: loads[-1].outdated} if loads[-1].outdated else {},
    )
