"""Waiting for a concurrency pool: which runs hold it, and an end by SIGTERM or SIGINT.

Dagster defers signals while it executes a run, until a step's own code begins. Its in-process
executor asks for a slot in a loop that never gets there: it neither ends nor says what it waits
for. Before that loop it stores an event, and there the instance waits in its place.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg
from dagster._core.errors import raise_execution_interrupts

from stock_platform.orchestration import process_locks
from stock_platform.orchestration.dagster_internals.dead_runs import (
    DeadRunReleasingInstance,
    release_slots_of_dead_runs,
)
from stock_platform.orchestration.dagster_internals.run_locks import RunLockingInstance

_LOG: Final = logging.getLogger(__name__)
_POLL_INTERVAL_S: Final = 1


@dataclass(frozen=True)
class PoolHolder:
    """A run that holds a pool.

    Attributes:
        pid: its process, if that is on this machine.
    """

    pool: str
    run_id: str
    pid: int | None

    def __str__(self) -> str:
        process = f" of process {self.pid}" if self.pid else ""
        return f"run {self.run_id}{process} holds the pool {self.pool}"


def pool_holders(instance: RunLockingInstance, pool: str) -> set[PoolHolder]:
    """Return the runs that hold a slot of a pool, or have been assigned one."""
    info = instance.event_log_storage.get_concurrency_info(pool)
    return {
        PoolHolder(pool, run_id, process_locks.holder_pid(instance.run_lock(run_id)))
        for run_id in info.active_run_ids | info.assigned_run_ids
    }


def wait_for_slot(instance: RunLockingInstance, pool: str, run_id: str, step_key: str) -> None:
    """Wait until a pool has assigned a slot to a step, and log which runs it waits for.

    Raises:
        DagsterExecutionInterruptedError: the process received SIGINT or SIGTERM.
    """
    logged = set[str]()
    with raise_execution_interrupts():
        while _is_blocked(instance, pool, run_id, step_key):
            release_slots_of_dead_runs(instance)
            reasons = {str(holder) for holder in pool_holders(instance, pool)}
            for reason in (reasons or {f"the pool {pool} has no free slot"}) - logged:
                _LOG.warning(f"waiting: {reason}")
                logged.add(reason)
            time.sleep(_POLL_INTERVAL_S)


def _is_blocked(instance: RunLockingInstance, pool: str, run_id: str, step_key: str) -> bool:
    return any(
        step.run_id == run_id and step.step_key == step_key and step.assigned_timestamp is None
        for step in instance.event_log_storage.get_concurrency_info(pool).pending_steps
    )


class PoolWaitingInstance(DeadRunReleasingInstance):
    """An instance that waits for a slot when a run reports that a step is blocked."""

    def handle_new_event(self, event: dg.EventLogEntry, **options: Any) -> None:  # noqa: ANN401
        """Store an event; after the one of a blocked step, wait until it has a slot."""
        super().handle_new_event(event, **options)
        step_event = event.dagster_event
        if step_event and step_event.step_key and step_event.is_engine_event:
            metadata = getattr(step_event.event_specific_data, "metadata", {})
            pool = metadata.get("pool")
            if isinstance(pool, dg.PoolMetadataValue):
                wait_for_slot(self, pool.pool, event.run_id, step_event.step_key)
