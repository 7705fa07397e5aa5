"""`stock-platform migrate`: upgrade the data of version 0.1.0 to the present version.

Belongs here: the output on the terminal. The work is in `warehouse.migrate`.
"""

import dagster as dg
import typer

from stock_platform.cli import run_job
from stock_platform.cli.progress import terminal
from stock_platform.errors import StockPlatformError
from stock_platform.lake.paths import LakePaths
from stock_platform.orchestration.dagster_internals.dead_runs import (
    is_underway,
    unfinished_runs,
)
from stock_platform.settings import load_settings
from stock_platform.warehouse.migrate import migrate


class RunsInProgressError(StockPlatformError):
    """Data cannot be migrated while a run may write it."""


@run_job.errors_in_one_line()
def run(*, dry_run: bool) -> None:
    """Migrate lake and warehouse of the settings, or show what would be changed."""
    settings = load_settings()
    with run_job.exclusive_instance(terminal()) as instance:
        _require_no_runs(instance)
        warehouse = run_job.open_warehouse(settings)
        result = migrate(LakePaths(settings.lake), warehouse, dry_run=dry_run)
    for change in result.changes:
        typer.echo(change)
    if dry_run:
        typer.echo("dry run: nothing was changed")
    if result.problems:
        raise SystemExit("\n".join(["Not migrated because of damage:", *result.problems]))
    if not dry_run:
        typer.echo("the lake and the warehouse are migrated")


def _require_no_runs(instance: dg.DagsterInstance) -> None:
    runs = [run for run in unfinished_runs(instance) if is_underway(instance, run)]
    if runs:
        names = ", ".join(f"{run.job_name} (run {run.run_id})" for run in runs)
        raise RunsInProgressError(
            f"not migrated, because runs are queued or in progress: {names}. Wait until they have "
            "ended or terminate them in the UI, then run `stock-platform migrate` again"
        )
