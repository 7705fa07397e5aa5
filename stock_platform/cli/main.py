"""The commands and their arguments.

A command's module is imported when the command runs: importing Dagster and the graph takes
seconds, which `--help` does without.
"""

from typing import Annotated

import typer

app = typer.Typer(
    help="Daily stock prices, from Yahoo Finance to a star schema.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command in the arguments."""
    app(prog_name="stock-platform")


@app.command()
def demo(
    days: Annotated[
        str,
        typer.Argument(
            metavar="RANGE", help="Trading days as FIRST...LAST, both included, or a single day."
        ),
    ] = "2012-12-03...2013-03-01",
    *,
    expect_unchanged: Annotated[
        bool, typer.Option("--expect-unchanged", help="Fail if a row of a table is changed.")
    ] = False,
) -> None:
    """Materialize the whole graph, and show the results."""
    from stock_platform.cli import demo as command  # noqa: PLC0415 - see above

    command.run(days, expect_unchanged=expect_unchanged)


@app.command()
def rebuild_warehouse() -> None:
    """Restore every table of the warehouse from the lake alone."""
    from stock_platform.cli import rebuild_warehouse as command  # noqa: PLC0415 - see above

    command.run()


@app.command()
def migrate(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be changed, and change nothing.")
    ] = False,
) -> None:
    """Upgrade the lake and the warehouse of version 0.1.0 to the present version."""
    from stock_platform.cli import migrate as command  # noqa: PLC0415 - see above

    command.run(dry_run=dry_run)
