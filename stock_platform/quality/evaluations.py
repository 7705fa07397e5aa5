"""Evaluations of checks on their way from Dagster's event log to the lake and the warehouse.

Dagster keeps them with its events, and deletes them with its events; the lake and the warehouse
keep them as long as the data that they judge. They move run by run: all rows of a run are
replaced by those that the lake has of it then, so a run that is read twice, or while it is going
on, or when its events are gone, leaves no row twice and none out. A run of which the lake has
none keeps what the warehouse has.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import check_results
from stock_platform.lake.paths import LakePaths
from stock_platform.quality.lost_verdicts import creation_day, give_back, warehouse_days
from stock_platform.warehouse.port import Warehouse

_FINISHED: Final = frozenset(
    {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
)
# Clocks of the machines that run and that store differ; a run read again costs little.
_OVERLAP: Final = timedelta(hours=1)
# Bounds memory: a range run of a year has some 6,000 evaluations.
_RUNS_A_LOAD: Final = 10
_PAGE: Final = 1000


def collect(instance: dg.DagsterInstance, paths: LakePaths, warehouse: Warehouse) -> int:
    """Bring what was evaluated since the last time into lake and warehouse; returns the rows.

    Into the lake first: a warehouse that stays behind is caught up with the next time. What the
    lake has lost comes back from the warehouse, and then from all events that there are.

    Raises:
        DamagedError: the lake's object of a day cannot be read; says what to do.
    """
    warehouse.create_tables()
    kept = warehouse_days(warehouse)
    given_back = give_back(instance, paths, warehouse, kept)
    in_lake, in_warehouse = check_results.newest(paths), max(kept.values(), default=None)
    newest = min(in_lake, in_warehouse) if in_lake and in_warehouse else None
    runs = _unread_runs(instance, None if given_back else newest)
    run_ids, rows = list(runs), 0
    for at in range(0, len(run_ids), _RUNS_A_LOAD):
        chunk = run_ids[at : at + _RUNS_A_LOAD]
        known = _keep(instance, paths, {run_id: runs[run_id] for run_id in chunk})
        # Not the chunk: a run whose events are pruned has rows in the warehouse alone.
        held = pc.unique(known["RunId"]).to_pylist()
        if held:
            rows += warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", held, known).rows
    return rows


def _keep(instance: dg.DagsterInstance, paths: LakePaths, runs: Mapping[str, str]) -> pa.Table:
    """Bring the evaluations of runs, by the days of their creation, into the lake.

    Returns what the lake has of these runs.
    """
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run_id, day in runs.items():
        by_day[day] += run_evaluations(instance, run_id)
    schema = arrow_schema(ASSET_CHECK_RESULT)
    known = pa.concat_tables(
        check_results.add(paths, day, pa.Table.from_pylist(rows, schema=schema))
        for day, rows in by_day.items()
    )
    return known.filter(pc.is_in(known["RunId"], pa.array(runs)))


def run_evaluations(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """The evaluations of a run as rows of asset_check_result.

    The sum over the sessions that a range run has beside each session's own verdict is left out.
    """
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for at, evaluation in _evaluations(instance, run_id):
        row = _row(run_id, at, evaluation)
        rows[row["Asset"], row["CheckName"], row["PartitionKey"]] = row
    by_session = {(asset, check) for asset, check, session in rows if session}
    return [
        row
        for (asset, check, session), row in rows.items()
        if session or (asset, check) not in by_session
    ]


def _unread_runs(instance: dg.DagsterInstance, newest: datetime | None) -> dict[str, str]:
    """Runs that ended since, the oldest first, and then those that are going on.

    Each with the day of its creation. Oldest first, so that what is stored when the process dies
    is complete up to a moment.
    """
    since = newest.astimezone(UTC) - _OVERLAP if newest else None
    ended = instance.get_run_records(
        dg.RunsFilter(statuses=list(_FINISHED), updated_after=since),
        order_by="update_timestamp",
        ascending=True,
    )
    going_on = instance.get_run_records(
        dg.RunsFilter(statuses=[it for it in dg.DagsterRunStatus if it not in _FINISHED])
    )
    return {it.dagster_run.run_id: creation_day(it) for it in (*ended, *going_on)}


def _evaluations(
    instance: dg.DagsterInstance, run_id: str
) -> Iterator[tuple[datetime, dg.AssetCheckEvaluation]]:
    cursor, has_more = None, True
    while has_more:
        page = instance.get_records_for_run(
            run_id, cursor, dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=_PAGE
        )
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is not None:
                at = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC)
                yield at, event.asset_check_evaluation_data
        cursor, has_more = page.cursor, page.has_more


def _row(run_id: str, at: datetime, evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    metadata = evaluation.metadata
    return {
        "RunId": run_id,
        "Asset": evaluation.asset_key.to_user_string(),
        "CheckName": evaluation.check_name,
        "PartitionKey": evaluation.partition or "",
        "EvaluatedAt": at,
        "Passed": evaluation.passed,
        "Severity": evaluation.severity.value,
        "Blocking": bool(evaluation.blocking),
        "OffendingRows": _value(metadata.get("offending")) or int(not evaluation.passed),
        "Description": evaluation.description or "",
        "Sample": orjson.dumps(_texts(_value(metadata.get("sample")))).decode(),
    }


def _value(metadata: dg.MetadataValue[Any] | None) -> Any:  # noqa: ANN401 - metadata is anything
    return None if metadata is None else metadata.value


def _texts(sample: object) -> Sequence[str]:
    return [str(it) for it in sample] if isinstance(sample, list) else []
