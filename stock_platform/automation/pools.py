"""Who holds the pools of an instance, and what processes that are gone hold of them.

Dagster gives a slot back when a step ends, and its daemon when a run ended. A run whose process
was killed does neither: whoever comes next waits for ever, and hears no signal meanwhile.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import dagster as dg

# What Dagster's in-process executor says first; another sentence leaves every run alone.
_IN_PROCESS: Final = "Executing steps in process"


@dataclass(frozen=True)
class Holder:
    """A run that holds a pool.

    Attributes:
        pid: of its process, where it told one.
    """

    pool: str
    run_id: str
    pid: int | None

    def __str__(self) -> str:
        process = "an unknown process" if self.pid is None else f"process {self.pid}"
        return f"run {self.run_id} of {process} holds the pool {self.pool}"


def free_what_the_dead_hold(instance: dg.DagsterInstance, pools: Iterable[str]) -> list[Holder]:
    """Fail runs whose process is gone and free their slots; returns who holds full pools still.

    Only of an instance in SQLite, whose runs are processes of this machine: the number that a run
    told in another container would say nothing. A number that another process has by now is taken
    for alive, as is a run that told none.
    """
    storage = instance.event_log_storage
    is_local, holders = bool(getattr(storage, "is_run_sharded", False)), []
    for pool in sorted(set(pools) & storage.get_concurrency_keys()):
        info = storage.get_concurrency_info(pool)
        # One that waits is given the slot when it becomes free, dead or alive.
        for run_id in sorted(info.active_run_ids | {it.run_id for it in info.pending_steps}):
            pid = _pid(instance, run_id)
            if is_local and pid is not None and not _is_alive(pid):
                bury(instance, run_id)
            elif run_id in info.active_run_ids and len(info.claimed_slots) >= info.slot_count:
                holders.append(Holder(pool, run_id, pid))
    return holders


def bury(instance: dg.DagsterInstance, run_id: str) -> None:
    """Mark a run whose process is gone as failed, and free what it held."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "the process of this run is gone")
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def _pid(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes a run's steps, as it told last."""
    told = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, ascending=False
    )
    for record in told.records:
        event = record.event_log_entry.dagster_event
        # Of an executor with a process a step, the steps may outlive the process that it tells.
        if event is not None and (event.message or "").startswith(_IN_PROCESS):
            return int(str(event.engine_event_data.metadata["pid"].value))
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
