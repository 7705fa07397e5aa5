"""The job that prunes Dagster's event log.

Dagster's own retention covers ticks only. Its API deletes a run with all of its events, including
the materializations that define partition status and the run keys used by schedules. So this job
deletes only the events that explain a run, once the run has succeeded long ago: log messages,
inputs and outputs, and check evaluations, of which the check pages and asset_check_result have
their own copies (docs/adr/0011). Other runs keep all events: an engine event may be the only
explanation of a process that did not start, and re-execution needs outputs and evaluations.

This module is the only place that deletes from the storage's table; `test_pruning.py` fails if
Dagster changes it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import delete, or_

from stock_platform.lake import check_results
from stock_platform.orchestration.resources import LakeResource

# People inspect recent runs for weeks, but not for longer than a month.
_RETENTION: Final = timedelta(days=30)
# Check results are collected run by run; a run that ended meanwhile is collected the next time.
_COLLECTION_MARGIN: Final = timedelta(days=1)
_RUNS_PER_PAGE: Final = 500
# In addition to log messages, which have no type. LOGS_CAPTURED is kept, because the UI needs it to
# find the compute logs, which the bucket keeps for longer.
_PRUNABLE_EVENTS: Final = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.HANDLED_OUTPUT,
    dg.DagsterEventType.LOADED_INPUT,
    dg.DagsterEventType.RESOURCE_INIT_STARTED,
    dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
    dg.DagsterEventType.STEP_INPUT,
    dg.DagsterEventType.STEP_OUTPUT,
)


@dg.op(out=dg.Out(dg.Nothing))
def prune(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Delete prunable events of runs that succeeded a month ago and were collected."""
    collected = check_results.newest(lake.paths)
    if collected is None:
        context.log.info("no check results were collected yet: nothing is pruned")
        return
    before = min(datetime.now(UTC) - _RETENTION, collected - _COLLECTION_MARGIN)
    deleted = prune_events(context.instance, before)
    context.log.info(f"deleted {deleted} events of runs that succeeded before {before:%Y-%m-%d}")


@dg.job(
    name="prune_event_logs",
    description="Deletes log events of runs that succeeded a month ago. Keeps partition status.",
)
def prune_event_logs() -> None:
    """Run the single step."""
    prune()


def prune_events(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete prunable events of runs that succeeded before a moment. Return their number."""
    return sum(
        _prune(instance.event_log_storage, run_ids) for run_ids in _succeeded(instance, before)
    )


def _prune(storage: Any, run_ids: Sequence[str]) -> int:  # noqa: ANN401 - Dagster's private class
    table = SqlEventLogStorageTable.c
    statement = delete(SqlEventLogStorageTable).where(
        table.run_id.in_(run_ids),
        or_(
            table.dagster_event_type.is_(None),
            table.dagster_event_type.in_([event_type.value for event_type in _PRUNABLE_EVENTS]),
        ),
    )
    # SQLite has one file per run. PostgreSQL has one table, and connecting is the slow part.
    connections = run_ids if storage.is_run_sharded else run_ids[:1]
    deleted = 0
    for run_id in connections:
        with storage.run_connection(run_id) as connection:
            deleted += int(connection.execute(statement).rowcount)
    return deleted


def _succeeded(instance: dg.DagsterInstance, before: datetime) -> Iterator[list[str]]:
    """Yield pages of successful runs. Pruning a run again costs next to nothing."""
    old = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], updated_before=before)
    cursor = None
    while page := instance.get_run_records(old, limit=_RUNS_PER_PAGE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        yield [record.dagster_run.run_id for record in page]
