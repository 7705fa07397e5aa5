"""Days of verdicts that the lake has lost, given back from the warehouse.

Where events are pruned the warehouse has the last copy of them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster._core.storage.dagster_run import RunRecord

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results
from stock_platform.lake.paths import LakePaths
from stock_platform.warehouse.port import Warehouse

_DAYS: Final = """
SELECT DATE(EvaluatedAt) AS Day, MAX(EvaluatedAt) AS Newest FROM asset_check_result GROUP BY Day
"""
# All rows of the runs, those of other days as well: a part would replace the whole.
_OF_DAYS: Final = f"""
SELECT {", ".join(ASSET_CHECK_RESULT.column_names)} FROM asset_check_result WHERE RunId IN (
  SELECT RunId FROM asset_check_result WHERE DATE(EvaluatedAt) IN UNNEST(@days)
)
"""  # noqa: S608 - names come from the contract
# SQLite takes 32,766 parameters.
_RUNS_A_QUERY: Final = 1_000
_DAY: Final = timedelta(days=1)


def warehouse_days(warehouse: Warehouse) -> dict[date, datetime]:
    """The days, UTC, on which the warehouse's verdicts were given, each with its newest."""
    found = warehouse.query(_DAYS)
    return dict(zip(found["Day"].to_pylist(), found["Newest"].to_pylist(), strict=True))


def creation_day(record: RunRecord) -> str:
    """The day, UTC, by which the lake keeps a run's verdicts."""
    return record.create_timestamp.astimezone(UTC).date().isoformat()


def give_back(
    instance: dg.DagsterInstance,
    paths: LakePaths,
    warehouse: Warehouse,
    given: Mapping[date, datetime],
) -> int:
    """Write what the lake lacks of whole days; returns how many verdicts.

    Args:
        instance: which knows when a run was created.
        paths: of the lake.
        warehouse: that has the verdicts.
        given: the days on which they were given.
    """
    known = set(check_results.days(paths))
    lost = {day for day in given if day.isoformat() not in known}
    if not lost:
        return 0
    # A run may be created before midnight, and judge after it.
    days = sorted(lost | {day + _DAY for day in lost})
    rows = warehouse.query(_OF_DAYS, {"days": days}).cast(arrow_schema(ASSET_CHECK_RESULT))
    by_day = _by_day(instance, rows)
    written = 0
    for day in sorted(set(by_day) - known):
        # A run that Dagster has forgotten is taken for one of the day of its first verdict.
        before = (date.fromisoformat(day) - _DAY).isoformat()
        elsewhere = check_results.read(paths, before)["RunId"]
        mine = rows.filter(pc.is_in(rows["RunId"], pa.array(by_day[day], pa.string())))
        mine = mine.filter(pc.invert(pc.is_in(mine["RunId"], elsewhere)))
        check_results.add(paths, day, mine)
        written += mine.num_rows
    return written


def _by_day(instance: dg.DagsterInstance, rows: pa.Table) -> dict[str, list[str]]:
    firsts = rows.group_by("RunId").aggregate([("EvaluatedAt", "min")]).to_pylist()
    days = {it["RunId"]: it["EvaluatedAt_min"].date().isoformat() for it in firsts}
    runs = list(days)
    for at in range(0, len(runs), _RUNS_A_QUERY):
        asked = dg.RunsFilter(run_ids=runs[at : at + _RUNS_A_QUERY])
        records = instance.get_run_records(asked)
        days |= {it.dagster_run.run_id: creation_day(it) for it in records}
    return {day: [run for run, its in days.items() if its == day] for day in set(days.values())}
