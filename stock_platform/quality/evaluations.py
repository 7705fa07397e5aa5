"""Evaluations of checks on their way from Dagster's event log to the warehouse.

Dagster keeps them with its runs, and deletes them with its runs; the warehouse keeps them as
long as the data that they judge. They move run by run: all rows of a run are replaced, so a run
that is read twice, or while it is going on, leaves no row twice and none out.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
import orjson
import pyarrow as pa

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse.port import Warehouse

_FINISHED: Final = frozenset(
    {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
)
# Clocks of the machines that run and that store differ; a run read again costs little.
_OVERLAP: Final = timedelta(hours=1)
# Bounds memory: a range run of a year has some 6,000 evaluations.
_RUNS_A_LOAD: Final = 10
_PAGE: Final = 1000

_NEWEST: Final = "SELECT MAX(EvaluatedAt) AS Newest FROM asset_check_result"


def collect(instance: dg.DagsterInstance, warehouse: Warehouse) -> int:
    """Bring what was evaluated since the last time into the warehouse; returns the rows."""
    warehouse.create_tables()
    (newest,) = warehouse.query(_NEWEST)["Newest"].to_pylist()
    run_ids = list(_unread_runs(instance, newest))
    rows = 0
    for at in range(0, len(run_ids), _RUNS_A_LOAD):
        chunk = run_ids[at : at + _RUNS_A_LOAD]
        found = [row for run_id in chunk for row in run_evaluations(instance, run_id)]
        table = pa.Table.from_pylist(found, schema=arrow_schema(ASSET_CHECK_RESULT))
        rows += warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", chunk, table).rows
    return rows


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


def _unread_runs(instance: dg.DagsterInstance, newest: datetime | None) -> Iterator[str]:
    """Runs that ended since, the oldest first, and then those that are going on.

    Oldest first, so that what is stored when the process dies is complete up to a moment.
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
    yield from dict.fromkeys(it.dagster_run.run_id for it in (*ended, *going_on))


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
