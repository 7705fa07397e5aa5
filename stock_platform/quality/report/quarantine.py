"""Quarantined records of the lake, counted by symbol and reason."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

import pyarrow.dataset as ds

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths

_COLUMNS: Final = ["Ticker", "Reason"]


def quarantined(paths: LakePaths) -> Mapping[str, Mapping[str, int]]:
    """By symbol: how many of its records are quarantined, by reason."""
    fs, folder = files.filesystem(paths.quarantine_folder())
    objects = [it for it in fs.find(folder) if it.endswith(".parquet")] if fs.exists(folder) else []
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    if objects:
        rows = ds.dataset(objects, format="parquet", filesystem=fs).to_table(_COLUMNS)
        for group in rows.group_by(_COLUMNS).aggregate([([], "count_all")]).to_pylist():
            symbol = group["Ticker"] or "(no symbol)"
            counts[symbol][group["Reason"]] += int(group["count_all"])
    return counts
