"""The job that prunes Dagster's event log.

Dagster purges ticks only. Its API deletes a run with all of its events, and with them the
materializations that make a partition's status and the run keys that schedules go by. So events
that only explain a run are deleted here by themselves, once the run has long succeeded: what it
logged, its inputs and outputs, and its checks' evaluations, of which the checks' pages and
asset_check_result have their own copies (docs/adr/0011). A run that did not succeed keeps all:
why a process did not start is told by an engine's event alone, and what to run again is found by
outputs and evaluations.

This module is the only place that deletes from the storage's table; `test_pruning.py` fails when
Dagster changes what it needs.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import delete, or_

from stock_platform.lake import check_results
from stock_platform.resources import LakeResource

# A week's runs are looked at for longer than a week, and no longer than a month.
_KEPT_FOR: Final = timedelta(days=30)
# Verdicts are read run by run: one that ended meanwhile comes with the next time.
_COLLECTING: Final = timedelta(days=1)
_RUNS_A_PAGE: Final = 500
# Beside messages, which have no type. What is not named here stays; LOGS_CAPTURED does, for by it
# the page finds the compute logs, which the bucket keeps for longer.
_EXPLAINING: Final = (
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
    """Delete what explains runs that succeeded a month ago, and whose verdicts the lake has."""
    collected = check_results.newest(lake.paths)
    if collected is None:
        context.log.info("no verdict was collected yet: nothing is pruned")
        return
    before = min(datetime.now(UTC) - _KEPT_FOR, collected - _COLLECTING)
    deleted = prune_events(context.instance, before)
    context.log.info(f"{deleted} events of runs that succeeded before {before:%Y-%m-%d} deleted")


@dg.job(
    name="prune_event_logs",
    description="Deletes what explains runs that succeeded a month ago; no status is lost by it.",
)
def prune_event_logs() -> None:
    """Of one step."""
    prune()


def prune_events(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete what explains runs that succeeded before a moment; returns how many events."""
    return sum(_prune(instance.event_log_storage, it) for it in _succeeded(instance, before))


def _prune(storage: Any, run_ids: Sequence[str]) -> int:  # noqa: ANN401 - Dagster's private class
    table = SqlEventLogStorageTable.c
    explaining = delete(SqlEventLogStorageTable).where(
        table.run_id.in_(run_ids),
        or_(
            table.dagster_event_type.is_(None),
            table.dagster_event_type.in_([it.value for it in _EXPLAINING]),
        ),
    )
    # SQLite has a file a run. PostgreSQL has one table, and to connect to it takes longest.
    connections = run_ids if storage.is_run_sharded else run_ids[:1]
    deleted = 0
    for run_id in connections:
        with storage.run_connection(run_id) as connection:
            deleted += int(connection.execute(explaining).rowcount)
    return deleted


def _succeeded(instance: dg.DagsterInstance, before: datetime) -> Iterator[list[str]]:
    """Pages of the runs, those of all time: one that is pruned again costs next to nothing."""
    old = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], updated_before=before)
    cursor = None
    while page := instance.get_run_records(old, limit=_RUNS_A_PAGE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        yield [it.dagster_run.run_id for it in page]
