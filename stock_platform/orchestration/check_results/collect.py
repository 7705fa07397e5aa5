"""Copy check results from Dagster's event log to the lake and the warehouse.

Dagster deletes results together with its events; the lake and the warehouse keep them as long as
the data that they are about. Results are copied per run: all rows of a run are replaced by those
that the lake then has. A run that is read twice, or while it is in progress, or after its events
were pruned, therefore has every row exactly once. Rows of a run that the lake lacks stay in the
warehouse.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.renamed import RENAMED_CHECKS
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results
from stock_platform.lake.paths import LakePaths
from stock_platform.orchestration.check_results.restore_days import (
    creation_day,
    restore_missing_days,
    warehouse_days,
)
from stock_platform.warehouse.interface import Warehouse

_FINISHED: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
# Clocks of the machines that run and that store may differ; reading a run again costs little.
_OVERLAP: Final = timedelta(hours=1)
# Bounds memory: a range run of a year has some 6,000 results.
_RUNS_PER_LOAD: Final = 10


def collect_check_results(
    instance: dg.DagsterInstance, paths: LakePaths, warehouse: Warehouse
) -> int:
    """Copy new check results to lake and warehouse, and return the number of loaded rows.

    The lake is written first, so that a warehouse that lags behind catches up next time. Days that
    the lake has lost are restored from the warehouse, and then from all remaining events.

    Raises:
        CorruptObjectError: the object of a day cannot be read. The message has the remedy.
    """
    warehouse.create_tables()
    in_warehouse = warehouse_days(warehouse)
    restored = restore_missing_days(instance, paths, warehouse, in_warehouse)
    newest_times = check_results.newest(paths), max(in_warehouse.values(), default=None)
    is_complete = not restored and None not in newest_times
    runs = _unread_runs(instance, min(filter(None, newest_times)) if is_complete else None)
    run_ids, rows = list(runs), 0
    for start in range(0, len(run_ids), _RUNS_PER_LOAD):
        chunk = {run_id: runs[run_id] for run_id in run_ids[start : start + _RUNS_PER_LOAD]}
        in_lake = _add_to_lake(instance, paths, chunk)
        # Not the chunk: a run whose events were pruned may have rows in the warehouse only.
        held = pc.unique(in_lake["RunId"]).to_pylist()
        if held:
            rows += warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", held, in_lake).rows
    return rows


def run_check_results(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """Return the check results of a run as rows of asset_check_result.

    A range run also has a summary of its sessions per check, which is left out.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for entry in instance.all_logs(run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        row = _row(entry)
        rows[row["Asset"], row["CheckName"], row["PartitionKey"]] = row
    by_session = {(asset, check) for asset, check, session in rows if session}
    return [
        row
        for (asset, check, session), row in rows.items()
        if session or (asset, check) not in by_session
    ]


def _add_to_lake(
    instance: dg.DagsterInstance, paths: LakePaths, runs: Mapping[str, str]
) -> pa.Table:
    """Add the results of runs to the lake by day of creation; return all that it has of them."""
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run_id, day in runs.items():
        by_day[day] += run_check_results(instance, run_id)
    schema = arrow_schema(ASSET_CHECK_RESULT)
    in_lake = pa.concat_tables(
        check_results.add(paths, day, pa.Table.from_pylist(rows, schema=schema))
        for day, rows in by_day.items()
    )
    return in_lake.filter(pc.is_in(in_lake["RunId"], pa.array(runs)))


def _unread_runs(instance: dg.DagsterInstance, newest: datetime | None) -> dict[str, str]:
    """Return the runs that ended after a time, then those in progress, each with its creation day.

    Oldest first: if this process dies, the stored results are complete up to a time.
    """
    since = newest.astimezone(UTC) - _OVERLAP if newest else None
    ended = instance.get_run_records(
        dg.RunsFilter(statuses=_FINISHED, updated_after=since),
        order_by="update_timestamp",
        ascending=True,
    )
    unfinished = [status for status in dg.DagsterRunStatus if status not in _FINISHED]
    in_progress = instance.get_run_records(dg.RunsFilter(statuses=unfinished))
    return {record.dagster_run.run_id: creation_day(record) for record in (*ended, *in_progress)}


def _row(entry: dg.EventLogEntry) -> dict[str, Any]:
    evaluation = entry.get_dagster_event().asset_check_evaluation_data
    metadata = {name: entry.value for name, entry in evaluation.metadata.items()}
    examples = metadata.get("sample")
    texts = [str(example) for example in examples] if isinstance(examples, list) else []
    return {
        "RunId": entry.run_id,
        "Asset": evaluation.asset_key.to_user_string(),
        # Events of version 0.1.0 have the old names.
        "CheckName": RENAMED_CHECKS.get(evaluation.check_name, evaluation.check_name),
        "PartitionKey": evaluation.partition or "",
        "EvaluatedAt": datetime.fromtimestamp(entry.timestamp, UTC),
        "Passed": evaluation.passed,
        "Severity": evaluation.severity.value,
        "Blocking": bool(evaluation.blocking),
        "OffendingRows": metadata.get("offending") or int(not evaluation.passed),
        "Description": evaluation.description or "",
        "Sample": orjson.dumps(texts).decode(),
    }
