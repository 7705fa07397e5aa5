"""An instance whose processes lock a file for each run that they execute.

Only where runs are processes of this machine, which an instance in SQLite says. Runs of an instance
in PostgreSQL may be anywhere: Dagster's run monitoring asks the code server about those.
"""

from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import dagster as dg

from stock_platform.orchestration import process_locks

_RUN_ENDS: Final = frozenset(
    {
        dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
    }
)


class RunLockingInstance(dg.DagsterInstance):
    """A `DagsterInstance` whose processes lock the runs that they execute."""

    @property
    def has_local_runs(self) -> bool:
        """Whether every run is a process of this machine."""
        return bool(self.event_log_storage.is_run_sharded)

    def lock_path(self, name: str) -> Path:
        """Return the path of a lock file of this instance."""
        return Path(self.root_directory, "locks", name)

    def run_lock(self, run_id: str) -> Path:
        """Return the path of a run's lock file."""
        return self.lock_path(f"run-{run_id}")

    def create_run_for_job(self, *args: Any, **options: Any) -> dg.DagsterRun:  # noqa: ANN401
        """Create a run that this process executes itself; locked before others can see it."""
        run_id = options["run_id"] = options.get("run_id") or str(uuid4())
        if self.has_local_runs:
            process_locks.acquire(self.run_lock(run_id))
        try:
            return super().create_run_for_job(*args, **options)
        except BaseException:
            process_locks.release(self.run_lock(run_id))
            raise

    def handle_new_event(self, event: dg.EventLogEntry, **options: Any) -> None:  # noqa: ANN401
        """Store an event; lock the run that this process starts, unlock the one that ends."""
        event_type = event.dagster_event.event_type if event.dagster_event else None
        if event_type is dg.DagsterEventType.RUN_START and self.has_local_runs:
            process_locks.acquire(self.run_lock(event.run_id))
        super().handle_new_event(event, **options)
        if event_type in _RUN_ENDS and self.has_local_runs:
            process_locks.release(self.run_lock(event.run_id))
