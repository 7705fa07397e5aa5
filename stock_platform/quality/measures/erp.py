"""Measure the ERP records, the newest ERP export and the landing folder."""

from collections import Counter

import pyarrow.compute as pc

from stock_platform.erp import landing, ledger, store
from stock_platform.erp.export import SCHEMAS
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.quality.rules.erp import ErpMeasure


def measure_erp(paths: LakePaths, kind: ErpKind) -> ErpMeasure:
    """Measure the records of one kind, rejected and vanished ones, and rejected files."""
    entries = ledger.read_ledger(paths, kind)
    loads = entries.by_arrival()
    landed = {file.key for file in landing.list_landed_files(paths, kind)}
    rejected_files = {
        load.name: load.reason for load in loads if load.is_rejected and load.key in landed
    }
    damaged = tuple(entries.damaged.values())
    known = store.load_if_any(paths, kind)
    if known is None:
        return ErpMeasure(0, {}, (), rejected_files, damaged_entries=damaged)
    vanished = known.records.filter(pc.is_valid(known.records["VANISHED_AT"]))
    return ErpMeasure(
        known.records.num_rows,
        Counter(str(row["REASON"]) for row in known.rejected),
        tuple(pc.unique(vanished[SCHEMAS[kind].identity]).to_pylist()),
        rejected_files,
        {load.name: load.outdated for load in loads[-1:] if load.outdated},
        damaged,
    )
