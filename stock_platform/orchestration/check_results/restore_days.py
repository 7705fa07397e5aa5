"""Restore days of check results that the lake has lost from the warehouse.

After events were pruned, the warehouse has the only other copy.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results
from stock_platform.lake.paths import LakePaths
from stock_platform.warehouse.interface import Warehouse

_DAYS: Final = """
SELECT DATE(EvaluatedAt) AS Day, MAX(EvaluatedAt) AS Newest FROM asset_check_result GROUP BY Day
"""
# All rows of the runs, also those of other days, because a partial run would replace the whole.
_ROWS_OF_DAYS: Final = f"""
SELECT {", ".join(ASSET_CHECK_RESULT.column_names)} FROM asset_check_result WHERE RunId IN (
  SELECT RunId FROM asset_check_result WHERE DATE(EvaluatedAt) IN UNNEST(@days)
)
"""  # noqa: S608 - names come from the contract
# SQLite accepts 32,766 parameters.
_RUNS_PER_QUERY: Final = 1_000
_ONE_DAY: Final = timedelta(days=1)


def warehouse_days(warehouse: Warehouse) -> dict[date, datetime]:
    """Return the UTC days with results in the warehouse, each with the time of the newest."""
    found = warehouse.query(_DAYS)
    return dict(zip(found["Day"].to_pylist(), found["Newest"].to_pylist(), strict=True))


def creation_day(record: dg.RunRecord) -> str:
    """Return the UTC day under which the lake stores the results of a run."""
    return record.create_timestamp.astimezone(UTC).date().isoformat()


def restore_missing_days(
    instance: dg.DagsterInstance,
    paths: LakePaths,
    warehouse: Warehouse,
    days: Mapping[date, datetime],
) -> int:
    """Copy days that the lake lacks from the warehouse; return the number of results.

    Args:
        instance: knows when a run was created.
        paths: locations in the lake.
        warehouse: has the results.
        days: the days with results in the warehouse.
    """
    in_lake = set(check_results.days(paths))
    lost = {day for day in days if day.isoformat() not in in_lake}
    if not lost:
        return 0
    # A run created before midnight may have results after midnight.
    wanted = sorted(lost | {day + _ONE_DAY for day in lost})
    rows = warehouse.query(_ROWS_OF_DAYS, {"days": wanted}).cast(arrow_schema(ASSET_CHECK_RESULT))
    written = 0
    for day, run_ids in sorted(_runs_by_day(instance, rows).items()):
        if day in in_lake:
            continue
        # A run that Dagster has deleted is filed under the day of its first result, but the lake
        # may have it under the day before, on which it was created.
        day_before = (date.fromisoformat(day) - _ONE_DAY).isoformat()
        known = check_results.read(paths, day_before)["RunId"]
        restored = rows.filter(pc.is_in(rows["RunId"], pa.array(run_ids, pa.string())))
        restored = restored.filter(pc.invert(pc.is_in(restored["RunId"], known)))
        check_results.add(paths, day, restored)
        written += restored.num_rows
    return written


def _runs_by_day(instance: dg.DagsterInstance, rows: pa.Table) -> dict[str, list[str]]:
    first_results = rows.group_by("RunId").aggregate([("EvaluatedAt", "min")]).to_pylist()
    days = {row["RunId"]: row["EvaluatedAt_min"].date().isoformat() for row in first_results}
    run_ids = list(days)
    for start in range(0, len(run_ids), _RUNS_PER_QUERY):
        known = dg.RunsFilter(run_ids=run_ids[start : start + _RUNS_PER_QUERY])
        for record in instance.get_run_records(known):
            days[record.dagster_run.run_id] = creation_day(record)
    by_day: dict[str, list[str]] = defaultdict(list)
    for run_id, day in days.items():
        by_day[day].append(run_id)
    return by_day
