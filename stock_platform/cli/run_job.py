"""Run jobs in the process of a command, on the instance of DAGSTER_HOME.

Belongs here: the code that all commands share to run jobs and report their failures.
Each command chooses its own jobs and output.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import dagster as dg
from rich.console import Console

from stock_platform.cli.progress import LOGGER, shown_progress
from stock_platform.errors import StockPlatformError
from stock_platform.orchestration import process_locks
from stock_platform.orchestration.dagster_internals.dead_runs import (
    locks_runs,
    queued_without_daemon,
    release_slots_of_dead_runs,
)
from stock_platform.orchestration.resources import WarehouseResource
from stock_platform.settings import Settings, load_settings
from stock_platform.warehouse.interface import Warehouse

_SHOWN_REASONS: Final = 10


class RunFailedError(StockPlatformError):
    """A run did not succeed."""


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the process with the message of an error that a person can fix, without a traceback."""
    try:
        yield
    except (StockPlatformError, ValueError) as error:
        raise SystemExit(str(error)) from error
    except OSError as error:
        raise SystemExit(
            f"{error}: STOCK_PLATFORM_LAKE and STOCK_PLATFORM_WAREHOUSE set where data is stored"
        ) from error


@contextmanager
def exclusive_instance(console: Console) -> Iterator[dg.DagsterInstance]:
    """Open the instance of DAGSTER_HOME, while no other command of this machine uses it.

    Raises:
        ValueError: DAGSTER_HOME is not set.
    """
    if not os.environ.get("DAGSTER_HOME"):
        raise ValueError(
            "DAGSTER_HOME is not set: run `export DAGSTER_HOME=$PWD/.dagster_home` in the checkout "
            "after `make setup`"
        )
    with dg.DagsterInstance.get() as instance, _command_lock(instance, console):
        release_slots_of_dead_runs(instance)
        for waiting in queued_without_daemon(instance):
            console.print(
                f"{waiting.job_name} waits in the queue until `make dev` starts it: "
                f"run {waiting.run_id}",
                soft_wrap=True,
            )
        yield instance


@contextmanager
def _command_lock(instance: dg.DagsterInstance, console: Console) -> Iterator[None]:
    """Lock an instance for commands, unless it is shared with other machines.

    They would not see the lock, and a container cannot write it.
    """
    if not locks_runs(instance):
        yield
        return
    lock = instance.lock_path("command")
    if not process_locks.acquire(lock, timeout_s=process_locks.MOMENT_S):
        other = process_locks.holder_pid(lock)
        console.print(f"waiting: another command is running, process {other}", soft_wrap=True)
        process_locks.acquire(lock)
    try:
        yield
    finally:
        process_locks.release(lock)


def run(
    job: str, tags: dict[str, str], instance: dg.DagsterInstance, console: Console
) -> dg.ExecuteInProcessResult:
    """Run a job to its end, successful or not, and show its progress."""
    console.print(f"[bold]{job}[/bold] {' ... '.join(tags.values())}".rstrip())
    definition = definitions().resolve_job_def(job)
    started = time.monotonic()
    with shown_progress(job, console) as logger:
        result = definition.with_logger_defs({LOGGER: logger}).execute_in_process(
            run_config={"loggers": {LOGGER: {}}},
            instance=instance,
            tags=tags,
            raise_on_error=False,
        )
    outcome = "done in" if result.success else "failed after"
    console.print(f"  {outcome} {time.monotonic() - started:.1f} s")
    return result


def failure(result: dg.ExecuteInProcessResult) -> RunFailedError:
    """Return the error of a failed run: its reasons, and its address in the UI."""
    return RunFailedError(
        f"{result.job_def.name} failed:\n{_reasons(result)}\n"
        f"`make dev` shows the run: {_run_url(result.run_id)}"
    )


def _run_url(run_id: str) -> str:
    return f"{str(load_settings().dagster_url).rstrip('/')}/runs/{run_id}"


@cache
def definitions() -> dg.Definitions:
    """Return the graph, which is imported only after the settings were validated."""
    from stock_platform.definitions import defs  # noqa: PLC0415

    return defs


def open_warehouse(settings: Settings) -> Warehouse:
    """Open the warehouse of the settings."""
    from stock_platform.definitions import resources_for  # noqa: PLC0415 - as above

    resource: WarehouseResource = resources_for(settings)["warehouse"]
    return resource.open()


def _reasons(result: dg.ExecuteInProcessResult) -> str:
    """Return the descriptions of failed checks, or else the innermost error per failed step."""
    checks = [
        f"  {check.asset_key.to_user_string()} {check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    steps = []
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None and not checks:
            steps.append(f"  {event.step_key}: {error.message.strip()}")
    return "\n".join(checks[-_SHOWN_REASONS:] or steps)
