"""Restore the check results of a lost warehouse from the lake.

A damaged day is named and left unchanged; all others are restored. Idempotent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results, files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.warehouse.interface import Warehouse

# Check results per load: BigQuery takes ten seconds per load, whatever its size.
_RESULTS_PER_LOAD: Final = 50_000


@dataclass(frozen=True)
class RestoreResult:
    """Result of restoring a table.

    Attributes:
        problems: one sentence per problem.
    """

    rows: int
    problems: Sequence[str]


def check_result_rows(paths: LakePaths, warehouse: Warehouse) -> RestoreResult:
    """Restore asset_check_result."""
    rows, waiting = 0, arrow_schema(ASSET_CHECK_RESULT).empty_table()
    problems = files.unrecognised_folders(paths.check_results_folder())
    for day in check_results.days(paths):
        try:
            waiting = pa.concat_tables([waiting, check_results.read(paths, day)])
        except CorruptObjectError as error:
            problems.append(f"runs of {day}: {error}")
        if waiting.num_rows >= _RESULTS_PER_LOAD:
            rows += _load_results(warehouse, waiting)
            waiting = waiting.slice(0, 0)
    return RestoreResult(rows + _load_results(warehouse, waiting), problems)


def _load_results(warehouse: Warehouse, rows: pa.Table) -> int:
    if not rows.num_rows:
        return 0
    runs = pc.unique(rows["RunId"]).to_pylist()
    return warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", runs, rows).rows
