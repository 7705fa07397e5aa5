"""Jobs run from a terminal: what `make demo` and `make rebuild-warehouse` have in common.

Belongs here: running a job in this process on the instance of DAGSTER_HOME, and the words for a
failure. Which jobs, and what is shown of them, is each command's own.
"""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import dagster as dg
from filelock import FileLock
from rich.console import Console

from stock_platform.automation.pools import Holder, bury, free_what_the_dead_hold
from stock_platform.errors import StockPlatformError
from stock_platform.orchestration.resources import WarehouseResource
from stock_platform.settings import Settings
from stock_platform.warehouse.port import Warehouse

_TAG: Final = "stock_platform/terminal"
_SHOWN_REASONS: Final = 10
# Longer than a load, a fetch or a batch of a quarter; a longer run is worth a look.
_PATIENCE_S: Final = 600
_LOOK_EVERY_S: Final = 1


class RunFailedError(StockPlatformError):
    """A run did not succeed; Dagster's own log above says why."""


@contextmanager
def alone() -> Iterator[dg.DagsterInstance]:
    """The instance, with no other command of a terminal beside this one."""
    with (
        FileLock(Path(os.environ["DAGSTER_HOME"]) / "terminal.lock"),
        dg.DagsterInstance.get() as instance,
    ):
        _free_what_dead_commands_hold(instance)
        yield instance


def run(
    job: str, tags: dict[str, str], instance: dg.DagsterInstance, console: Console
) -> dg.ExecuteInProcessResult:
    """Run a job to its end, whatever that is, and say how long it took.

    Raises:
        RunFailedError: another run holds a pool that it needs, and does not end.
    """
    console.print(f"[bold]{job}[/bold] {' ... '.join(tags.values())}".rstrip())
    definition = definitions().resolve_job_def(job)
    _wait_for(definition.graph.pools, instance, console)
    started = time.monotonic()
    with console.status(f"{job} is running"):
        result = definition.execute_in_process(
            instance=instance, tags={**tags, _TAG: "true"}, raise_on_error=False
        )
    told = "done in" if result.success else "failed after"
    console.print(f"  {told} {time.monotonic() - started:.1f} s")
    return result


def failure(result: dg.ExecuteInProcessResult) -> RunFailedError:
    """What failed, and where it is seen."""
    return RunFailedError(
        f"{result.job_def.name} failed:\n{_reasons(result)}\n"
        f"`make dev` shows the run: http://127.0.0.1:3000/runs/{result.run_id}"
    )


@cache
def definitions() -> dg.Definitions:
    """The graph; loaded here so that a wrong setting is told before, in a line of its own."""
    from stock_platform.definitions import defs  # noqa: PLC0415

    return defs


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of the settings."""
    from stock_platform.definitions import resources_for  # noqa: PLC0415 - as above

    resource: WarehouseResource = resources_for(settings)["warehouse"]
    return resource.open()


def _reasons(result: dg.ExecuteInProcessResult) -> str:
    """What failed: blocking checks by their sentence, steps by the error at the bottom."""
    checks = [
        f"  {it.asset_key.to_user_string()} {it.check_name}: {it.description}"
        for it in result.get_asset_check_evaluations()
        if not it.passed and it.severity is dg.AssetCheckSeverity.ERROR
    ]
    steps = []
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None and not checks:
            steps.append(f"  {event.step_key}: {error.message.strip()}")
    return "\n".join(checks[-_SHOWN_REASONS:] or steps)


def _wait_for(pools: Collection[str], instance: dg.DagsterInstance, console: Console) -> None:
    """Wait until no other run holds the pools: a run that waits hears no signal, and this does."""
    until, told = time.monotonic() + _PATIENCE_S, set[Holder]()
    while holders := free_what_the_dead_hold(instance, pools):
        for it in set(holders) - told:
            console.print(f"  waiting: {it}", soft_wrap=True)
        told |= set(holders)
        if time.monotonic() > until:
            raise RunFailedError(
                f"{'; '.join(map(str, holders))}. Wait until it has ended, or end it: `make dev`, "
                f"http://127.0.0.1:3000/runs/{holders[0].run_id}, Terminate, then in its menu "
                "Free concurrency slots. Then repeat this"
            )
        time.sleep(_LOOK_EVERY_S)


def _free_what_dead_commands_hold(instance: dg.DagsterInstance) -> None:
    """Close the runs of commands that were killed: their slots in the pools would never be free.

    Only for the holder of the lock: no other command is alive.
    """
    unfinished = dg.RunsFilter(
        tags={_TAG: "true"},
        statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING],
    )
    for it in instance.get_runs(unfinished):
        bury(instance, it.run_id)
