"""`stock-platform rebuild-warehouse`: restore every table of the warehouse from the lake.

Belongs here: the output on the terminal. The work is the job `rebuild_warehouse`, which the UI
launches as well.
"""

import dagster as dg
from rich.table import Table as Grid

from stock_platform.cli import run_job
from stock_platform.cli.progress import terminal
from stock_platform.contracts import TABLES
from stock_platform.orchestration.automation.rebuild import NAME, RESTORED_ROWS
from stock_platform.settings import load_settings
from stock_platform.warehouse.interface import Warehouse


@run_job.errors_in_one_line()
def run() -> None:
    """Rebuild the warehouse of the settings."""
    console = terminal()
    settings = load_settings()
    with run_job.exclusive_instance(console) as instance:
        warehouse = run_job.open_warehouse(settings)
        before = _counts(warehouse)
        result = run_job.run(NAME, {}, instance, console)
        console.print(_grid(before, result, _counts(warehouse)))
        console.print(
            f"lake       {settings.lake}\nwarehouse  {settings.warehouse}", soft_wrap=True
        )
        if not result.success:
            raise run_job.failure(result)


def _counts(warehouse: Warehouse) -> dict[str, int]:
    warehouse.create_tables()
    return {
        # Names come from the contracts.
        table.name: warehouse.query(
            f"SELECT COUNT(*) AS n FROM {table.name} WHERE {table.all_rows_predicate}"  # noqa: S608
        )["n"][0].as_py()
        for table in TABLES.values()
    }


def _grid(before: dict[str, int], result: dg.ExecuteInProcessResult, after: dict[str, int]) -> Grid:
    observations = [
        event.asset_observation_data.asset_observation
        for event in result.get_asset_observation_events()
    ]
    restored = {
        observation.asset_key.to_user_string(): observation.metadata[RESTORED_ROWS].value
        for observation in observations
    }
    grid = Grid("table", "rows before", "restored", "rows now", title="Warehouse")
    for name, rows in after.items():
        restored_rows = "view" if TABLES[name].view else f"{restored.get(name, 0):,}"
        grid.add_row(name, f"{before[name]:,}", restored_rows, f"{rows:,}")
    return grid
