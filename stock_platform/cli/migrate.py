"""`stock-platform migrate`: upgrade the data of version 0.1.0 to the present names.

Belongs here: the output on the terminal. The work is in `warehouse.migrate`.
"""

import typer

from stock_platform.cli import run_job
from stock_platform.lake.paths import LakePaths
from stock_platform.settings import load_settings
from stock_platform.warehouse.migrate import migrate


@run_job.errors_in_one_line()
def run(*, dry_run: bool) -> None:
    """Migrate lake and warehouse of the settings, or show what would be changed."""
    settings = load_settings()
    warehouse = run_job.open_warehouse(settings)
    result = migrate(LakePaths(settings.lake), warehouse, dry_run=dry_run)
    for change in result.changes:
        typer.echo(change)
    if dry_run:
        typer.echo("dry run: nothing was changed")
    if result.problems:
        raise SystemExit("\n".join(["Not migrated because of damage:", *result.problems]))
    if not dry_run:
        typer.echo("all columns and checks have their new names")
