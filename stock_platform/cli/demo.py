"""`stock-platform demo`: materialize the whole graph, and show the results.

Belongs here: the order of the jobs and the output on the terminal. The UI can do the same; a range
is split into runs of a year, like the UI's backfills.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import dagster as dg
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from stock_platform.cli import run_job
from stock_platform.cli.progress import terminal
from stock_platform.cli.run_job import RunFailedError
from stock_platform.contracts import ASSET_CHECK_RESULT, LOAD_LOG, TABLES
from stock_platform.erp.landing import list_unprocessed
from stock_platform.lake import files
from stock_platform.lake.paths import ERP_KINDS, LakePaths
from stock_platform.orchestration.automation.sensors import erp_csv_sensor
from stock_platform.orchestration.partitions import YEARLY_BACKFILL, require_sessions
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import plain_text
from stock_platform.settings import load_settings
from stock_platform.warehouse.duckdb_generations import Generations
from stock_platform.warehouse.interface import Warehouse

SAMPLE_ERP: Final = Path(__file__).resolve().parents[2] / "data" / "sample" / "erp"
# Each run adds rows to them.
_LOGS: Final = (ASSET_CHECK_RESULT, LOAD_LOG)
_QUESTION: Final = """\
SELECT
  Ticker,
  COUNT(*) AS Sessions,
  MIN(TradeDate) AS FirstSession,
  MAX(TradeDate) AS LastSession,
  ROUND(100 * (MAX_BY(TotalReturnClose, TradeDate)
               / MIN_BY(TotalReturnClose, TradeDate) - 1), 2) AS TotalReturnPercent
FROM stock_price_adjusted
GROUP BY Ticker
ORDER BY TotalReturnPercent DESC"""
_COUNTS: Final = ("materialized", "rows", "passed", "warned", "failed")


@run_job.errors_in_one_line()
def run(key_range: str, *, expect_unchanged: bool) -> None:
    """Run the demo over a range of trading days. Exits with 1 if a check failed.

    Args:
        key_range: ``FIRST...LAST``, both ends included, or a single day.
        expect_unchanged: whether a changed table is a failure.
    """
    console = terminal()
    settings = load_settings()
    sessions = sessions_between(key_range)
    with run_job.exclusive_instance(console) as instance:
        warehouse = run_job.open_warehouse(settings)
        drop_sample_erp(LakePaths(settings.lake))
        before = _tables(warehouse)
        counts = _counts_by_asset(_run_all(sessions, instance, console))
        after = _tables(warehouse)
        console.print(_count_grid(counts))
        console.print(_change_grid(before, after))
        console.print(f"\n{_QUESTION}", highlight=False, soft_wrap=True)
        console.print(_answer_grid(warehouse))
    file = settings.warehouse_file
    console.print(
        f"\nwarehouse  {Generations(file).link if file else settings.warehouse}\n"
        f"lake       {settings.lake}\n"
        f"quality    {LakePaths(settings.lake).quality_report()}",
        soft_wrap=True,
    )
    console.print("`make dev` shows it in the UI.")
    changed = [name for name, rows in after.items() if not rows.equals(before[name])]
    if expect_unchanged and changed:
        raise SystemExit(f"tables changed, although no change was expected: {', '.join(changed)}")
    if any(count["failed"] for count in counts.values()):
        raise SystemExit(1)


def drop_sample_erp(paths: LakePaths) -> None:
    """Put the sample ERP export into landing folders that have no file."""
    for kind in ERP_KINDS:
        fs, folder = files.filesystem(paths.landing(kind))
        if not any(path.endswith(".csv") for path in fs.find(folder, maxdepth=1)):
            files.write(
                f"{paths.landing(kind)}/{kind}.csv", (SAMPLE_ERP / f"{kind}.csv").read_bytes()
            )


def sessions_between(key_range: str) -> list[str]:
    """Return the trading days of a range ``FIRST...LAST``, both ends included, or of one day.

    Raises:
        NotATradingDayError: an end is not a trading day.
        ValueError: the text is not a range, or its ends are reversed.
    """
    first, dots, last = key_range.partition("...")
    try:
        ends = [date.fromisoformat(end).isoformat() for end in (first, last if dots else first)]
    except ValueError:
        raise ValueError(
            f"{key_range} is not a range of trading days: write FIRST...LAST with three dots, "
            "such as 2012-12-03...2013-03-01, or a single day"
        ) from None
    first, last = ends
    if last < first:
        raise ValueError(f"the range {key_range} is reversed: write {last}...{first}")
    days = run_job.definitions().resolve_assets_def("raw_stock_prices").partitions_def
    if not isinstance(days, dg.TimeWindowPartitionsDefinition):
        raise TypeError("raw_stock_prices is not partitioned by trading days")
    require_sessions(days, ends)
    return list(days.get_partition_keys_in_range(dg.PartitionKeyRange(first, last)))


def _run_all(
    sessions: Sequence[str], instance: dg.DagsterInstance, console: Console
) -> list[dg.ExecuteInProcessResult]:
    """Run the jobs in the order of the data.

    Raises:
        RunFailedError: a run failed.
    """
    results = []

    def run_one(job: str, **tags: str) -> None:
        result = run_job.run(job, tags, instance, console)
        if not result.success:
            raise run_job.failure(result)
        results.append(result)

    if landed := _landed_files(instance):
        console.print(f"erp_csv_sensor saw {', '.join(landed)}")
        run_one("erp_load")
    run_one("reference_data")
    size = YEARLY_BACKFILL.max_partitions_per_run or len(sessions)
    for at in range(0, len(sessions), size):
        year = sessions[at : at + size]
        run_one(
            "daily_stock_prices",
            **{
                "dagster/asset_partition_range_start": year[0],
                "dagster/asset_partition_range_end": year[-1],
            },
        )
    run_one("quality_report")
    return results


def _landed_files(instance: dg.DagsterInstance) -> list[str]:
    """Return the ERP files for which the sensor requests a run, evaluated like in the daemon."""
    lake = LakeResource(root=load_settings().lake)
    waiting = [file for kind in ERP_KINDS for file in list_unprocessed(lake.paths, kind)]
    if waiting:
        settles_at = max(file.settles_at for file in waiting)
        time.sleep(max((settles_at - datetime.now(UTC)).total_seconds(), 0))
        requested = erp_csv_sensor(dg.build_sensor_context(instance), lake=lake)
        if not isinstance(requested, dg.RunRequest):
            raise RunFailedError(f"erp_csv_sensor requests no run: {requested}")
    return [escape(plain_text(f"{file.kind}/{file.name}")) for file in waiting]


def _tables(warehouse: Warehouse) -> dict[str, pa.Table]:
    """Read all tables except those to which each run adds rows."""
    warehouse.create_tables()
    tables = (table for table in TABLES.values() if table not in _LOGS)
    return {table.name: warehouse.read(table) for table in tables}


def _counts_by_asset(results: Sequence[dg.ExecuteInProcessResult]) -> dict[str, Counter[str]]:
    """Count materializations, their rows and check results per asset."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for event in result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            count = materialization.metadata.get("dagster/row_count")
            rows = count.value if isinstance(count, dg.IntMetadataValue) else None
            asset = materialization.asset_key.to_user_string()
            counts[asset].update(materialized=1, rows=rows or 0)
        evaluations = result.get_asset_check_evaluations()
        per_session = {
            check_result.asset_check_key for check_result in evaluations if check_result.partition
        }
        for evaluation in evaluations:
            # The result without a session is the sum of those per session.
            if evaluation.partition or evaluation.asset_check_key not in per_session:
                counts[evaluation.asset_key.to_user_string()][_state(evaluation)] += 1
    return counts


def _state(evaluation: dg.AssetCheckEvaluation) -> str:
    if evaluation.passed:
        return "passed"
    return "warned" if evaluation.severity is dg.AssetCheckSeverity.WARN else "failed"


def _count_grid(counts: dict[str, Counter[str]]) -> Grid:
    grid = Grid("asset", *_COUNTS, title="Assets")
    for asset, count in counts.items():
        grid.add_row(asset, *(f"{count[name]:,}" for name in _COUNTS))
    return grid


def _change_grid(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> Grid:
    grid = Grid("table", "rows", "against the run before", title="Warehouse")
    for name, rows in after.items():
        changed = "changed" if before[name].num_rows else "new"
        change = "unchanged" if rows.equals(before[name]) else changed
        grid.add_row(name, f"{rows.num_rows:,}", change)
    return grid


def _answer_grid(warehouse: Warehouse) -> Grid:
    answer = warehouse.query(_QUESTION)
    grid = Grid(*answer.column_names)
    for row in answer.to_pylist():
        grid.add_row(*(str(value) for value in row.values()))
    return grid
