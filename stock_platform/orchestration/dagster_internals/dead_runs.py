"""Find runs whose process no longer exists, and fail them.

A process that is killed writes no end of its run. The run would keep its slots in concurrency
pools, count as running in the queue, and hold back the sensors that wait for its end.
"""

import logging
from typing import Any, Final, TypeGuard

import dagster as dg

from stock_platform.orchestration import process_locks
from stock_platform.orchestration.dagster_internals.run_locks import RunLockingInstance

_LOG: Final = logging.getLogger(__name__)
_UNFINISHED: Final = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
# The next daemon launches these.
_QUEUED: Final = frozenset({dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED})
_DAEMON: Final = "daemon"


def locks_runs(instance: dg.DagsterInstance) -> TypeGuard[RunLockingInstance]:
    """Whether the locks of an instance show which of its runs have a process."""
    return isinstance(instance, RunLockingInstance) and instance.has_local_runs


def is_underway(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a process executes an unfinished run, or a living daemon is about to launch it."""
    if not locks_runs(instance) or process_locks.is_held(instance.run_lock(run.run_id)):
        return True
    # A run without a remote origin was created by the process that was to execute it.
    is_launched = run.remote_job_origin is None or run.status is dg.DagsterRunStatus.STARTED
    return not is_launched and process_locks.is_held(instance.lock_path(_DAEMON))


def unfinished_runs(
    instance: dg.DagsterInstance, job_name: str | None = None
) -> list[dg.DagsterRun]:
    """Return the runs, of one job or of all, that have no end."""
    return list(instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=list(_UNFINISHED))))


def queued_without_daemon(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that wait for a daemon to be started."""
    return [run for run in unfinished_runs(instance) if not is_underway(instance, run)]


def release_slots_of_dead_runs(instance: dg.DagsterInstance) -> None:
    """Fail the runs whose process no longer exists, and release the slots that they held.

    Runs in the queue stay there: a daemon launches them, now or when it is started. An instance
    whose processes may be on other machines is left alone.
    """
    if not locks_runs(instance):
        return
    for run in unfinished_runs(instance):
        is_queued = run.remote_job_origin is not None and run.status in _QUEUED
        if not is_queued and not is_underway(instance, run):
            fail_orphaned_run(instance, run.run_id)
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        run_of_slot = instance.get_run_by_id(run_id)
        has_ended = run_of_slot is None or run_of_slot.is_finished
        # A run that was marked as failed may have a living process, which uses what it holds.
        if has_ended and not process_locks.is_held(instance.run_lock(run_id)):
            storage.free_concurrency_slots_for_run(run_id)


def fail_orphaned_run(instance: RunLockingInstance, run_id: str) -> None:
    """Mark a run as failed, or as canceled if that was requested, unless a process executes it."""
    lock = instance.run_lock(run_id)
    pid = process_locks.holder_pid(lock)
    # With its lock, so that of two processes that find it dead one reports it.
    if not process_locks.acquire(lock, timeout_s=process_locks.MOMENT_S):
        return
    try:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        process = f"its process ({pid})" if pid else "the process that was to execute it"
        message = f"{process} no longer exists"
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message)
        else:
            instance.report_run_failed(run, message)
        _LOG.warning(f"run {run_id} of {run.job_name} was marked as failed: {message}")
    finally:
        process_locks.release(lock)


class DeadRunReleasingInstance(RunLockingInstance):
    """An instance that releases what dead runs hold when a run is created or a daemon starts."""

    def create_run_for_job(self, *args: Any, **options: Any) -> dg.DagsterRun:  # noqa: ANN401
        """Create a run that this process executes itself, after the dead ones are failed."""
        release_slots_of_dead_runs(self)
        return super().create_run_for_job(*args, **options)

    def add_daemon_heartbeat(self, daemon_heartbeat: Any) -> None:  # noqa: ANN401 - private type
        """Store a heartbeat; the first of a daemon's process comes before anything is launched."""
        lock = self.lock_path(_DAEMON)
        if self.has_local_runs and not process_locks.is_held(lock):
            # Before the lock: what an earlier daemon launched is judged as if there were none.
            release_slots_of_dead_runs(self)
            process_locks.acquire(lock, timeout_s=process_locks.MOMENT_S)
        super().add_daemon_heartbeat(daemon_heartbeat)
