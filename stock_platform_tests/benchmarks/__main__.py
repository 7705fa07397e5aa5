"""`make bench`: the duration of 500 symbols in 2012, per stage and with checks.

Belongs here: timings of the whole graph, with Dagster's storage in SQLite and in PostgreSQL.
Nothing is asserted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import dagster as dg
from rich.console import Console
from rich.table import Table

from stock_platform.definitions import build_definitions
from stock_platform.orchestration.checks import partitioned_results
from stock_platform.orchestration.dagster_internals.event_transaction import one_transaction
from stock_platform_tests.benchmarks.market import ManySymbols, companies
from stock_platform_tests.support.platform_fixture import Platform
from stock_platform_tests.support.postgres import installed, postgres, storage

SYMBOLS = 500
YEAR = {"first": "2012-01-03", "last": "2012-12-31"}
STAGES = ("raw_stock_prices", "processed_stock_prices", "fact_stock_price", "fact_corporate_action")


class WriteTimer:
    """Seconds spent on storing check results."""

    seconds = 0.0

    @contextmanager
    def transaction(self, instance: dg.DagsterInstance) -> Iterator[None]:
        started = time.perf_counter()
        with one_transaction(instance):
            yield
        self.seconds += time.perf_counter() - started


def check_seconds(result: Any) -> float:
    """Seconds spent on a run's check steps."""
    milliseconds = (
        event.step_success_data.duration_ms
        for event in result.all_events
        if event.is_step_success and event.step_key.endswith("_checks")
    )
    return sum(milliseconds) / 1000


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a run took, and the run."""
    started = time.perf_counter()
    result = work()
    if not result.success:
        raise RuntimeError(f"run {result.run_id} failed")
    return time.perf_counter() - started, result


def measure(platform: Platform) -> Table:
    """One line per stage, and their sum."""
    grid = Table("stage", "own s", "checks s", "computing s", "writing s", "events")
    total = [0.0] * 4
    for stage in STAGES:
        platform.materialize(stage, first=YEAR["first"])  # imports and first connections
        writing = WriteTimer()
        with patch.object(partitioned_results, "one_transaction", writing.transaction):
            seconds, result = timed(lambda name=stage: platform.materialize(name, **YEAR))
        checks = check_seconds(result)
        row = [seconds - checks, checks, checks - writing.seconds, writing.seconds]
        total = [a + b for a, b in zip(total, row, strict=True)]
        grid.add_row(stage, *(f"{value:.1f}" for value in row), f"{len(result.all_events):,}")
    grid.add_row(
        "all", *(f"{value:.1f}" for value in total), f"checks / own {total[1] / total[0]:.2f}"
    )
    seconds, _ = timed(lambda: platform.run("quality_report"))
    grid.add_row("quality_report", f"{seconds:.1f}")
    return grid


def bench(name: str, overrides: dict[str, Any]) -> None:
    """Run the year in its own folder and storage."""
    with (
        TemporaryDirectory() as folder,
        Platform(Path(folder)) as platform,
        dg.instance_for_test(overrides, set_dagster_home=False, temp_dir=folder) as instance,
    ):
        platform.instance = instance
        platform.defs = build_definitions(
            platform.settings, market_data=ManySymbols(source="sample")
        )
        platform.load_dimensions(*companies(SYMBOLS))
        grid = measure(platform)
    grid.title = f"{name}: 250 sessions of {SYMBOLS} symbols"
    Console().print(grid)


def main() -> None:
    """Measure both storages, or only SQLite if PostgreSQL is not installed."""
    bench("SQLite", {})
    if installed():
        with postgres() as url:
            bench("PostgreSQL", storage(url))


if __name__ == "__main__":
    main()
