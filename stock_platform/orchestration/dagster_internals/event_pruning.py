"""Delete events that only explain runs from Dagster's event log.

Dagster 1.13 has no API for it: its own retention covers ticks only, and `delete_run` also deletes
the materializations that define partition status, and the run keys used by schedules. This module
is the only place that deletes from the storage's table; `test_pruning.py` fails if Dagster changes
it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import delete, or_

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
