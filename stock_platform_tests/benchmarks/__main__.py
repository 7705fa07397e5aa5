"""`make bench`: how long the year 2012 takes through the graph, stage by stage.

Belongs here: timings of the whole graph on the bundled prices. Nothing is asserted.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

from stock_platform_tests.platform import Platform

YEAR = {"first": "2012-01-03", "last": "2012-12-31"}
STAGES = (
    "raw_stock_prices",
    "processed_stock_prices",
    "fact_stock_price",
    "fact_corporate_action",
)


def timed(work: Callable[[], Any]) -> tuple[float, int]:
    """Seconds, and events that the run stored."""
    started = time.perf_counter()
    result = work()
    if not result.success:
        raise RuntimeError(f"run {result.run_id} failed")
    return time.perf_counter() - started, len(result.all_events)


def main() -> None:
    """Print a line a stage."""
    grid = Table("stage, 250 sessions of 5 symbols", "seconds", "events")
    with TemporaryDirectory() as folder, Platform(Path(folder)) as platform:
        home = Path(folder) / "home"
        home.mkdir()
        platform.instance = dg.DagsterInstance.local_temp(str(home))
        platform.load_sample_dimensions()
        for stage in STAGES:
            for checks in (False, True):
                seconds, events = timed(
                    lambda stage=stage, checks=checks: platform.materialize(
                        stage, **YEAR, checks=checks
                    )
                )
                name = f"{stage}{' with checks' if checks else ''}"
                grid.add_row(name, f"{seconds:.1f}", f"{events:,}")
    Console().print(grid)


if __name__ == "__main__":
    main()
