"""`make rebuild-warehouse`: restore every table of the warehouse from the lake, and say what.

Belongs here: the words on the terminal. The work is the job `rebuild_warehouse`, which the UI
launches as well.
"""

import sys

import dagster as dg
from rich.console import Console
from rich.table import Table as Grid

from stock_platform import terminal
from stock_platform.automation.rebuild import NAME, RESTORED_ROWS
from stock_platform.contracts import TABLES
from stock_platform.settings import load_settings
from stock_platform.terminal import RunFailedError
from stock_platform.warehouse.port import Warehouse, WarehouseError


def main() -> int:
    """Rebuild the warehouse of the settings; returns the exit code."""
    console = Console()
    settings = load_settings()
    with terminal.alone() as instance:
        warehouse = terminal.open_warehouse(settings)
        before = _counts(warehouse)
        result = terminal.run(NAME, {}, instance, console)
        console.print(_grid(before, result, _counts(warehouse)))
        console.print(
            f"lake       {settings.lake}\nwarehouse  {settings.warehouse}", soft_wrap=True
        )
        if not result.success:
            raise terminal.failure(result)
    return 0


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
    restored = {
        it.asset_key.to_user_string(): it.metadata[RESTORED_ROWS].value
        for it in (
            event.asset_observation_data.asset_observation
            for event in result.get_asset_observation_events()
        )
    }
    grid = Grid("table", "rows before", "restored", "rows now", title="Warehouse")
    for name, rows in after.items():
        told = "view" if TABLES[name].view else f"{restored.get(name, 0):,}"
        grid.add_row(name, f"{before[name]:,}", told, f"{rows:,}")
    return grid


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"{error}: STOCK_PLATFORM_LAKE and STOCK_PLATFORM_WAREHOUSE say where data is")
    except (RunFailedError, WarehouseError, ValueError) as error:
        sys.exit(str(error))
