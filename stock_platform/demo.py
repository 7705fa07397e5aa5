"""`make demo`: materialize the whole graph and show what came out.

Belongs here: the order of the jobs and the words on the terminal. It does nothing that the UI
cannot do; a range is cut into runs of a year as the UI's backfills are.
"""

import hashlib
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg
from rich.console import Console
from rich.table import Table as Grid

from stock_platform import terminal
from stock_platform.automation.sensors import erp_csv_sensor
from stock_platform.contracts import ASSET_CHECK_RESULT, TABLES
from stock_platform.lake import files
from stock_platform.lake.erp_landing import pending
from stock_platform.lake.paths import ERP_KINDS, LakePaths
from stock_platform.orchestration.partitions import (
    RANGE_RUNS,
    NotATradingDayError,
    require_sessions,
)
from stock_platform.orchestration.resources import LakeResource
from stock_platform.settings import load_settings
from stock_platform.terminal import RunFailedError
from stock_platform.warehouse.port import Warehouse

SAMPLE_ERP: Final = Path(__file__).resolve().parents[1] / "data" / "sample" / "erp"
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

_NO_ROWS: Final = hashlib.sha256().hexdigest()


@dataclass
class AssetSummary:
    """What the runs of a demo did for one asset."""

    materializations: int = 0
    rows: int = 0
    checks: Counter[str] = field(default_factory=Counter)


def main(key_range: str, *, expect_unchanged: bool) -> int:
    """Run the demo over a range of sessions, ``FIRST...LAST``; returns the exit code.

    Args:
        key_range: the sessions.
        expect_unchanged: whether a table that holds other rows than before is a failure.
    """
    console = Console()
    settings = load_settings()
    with terminal.alone() as instance:
        warehouse = terminal.open_warehouse(settings)
        drop_sample_erp(LakePaths(settings.lake))
        before = fingerprints(warehouse)
        summaries = run_all(sessions_between(key_range), instance, console)
        console.print(_summary_grid(summaries))
        after = fingerprints(warehouse)
        console.print(_change_grid(before, after, warehouse))
        console.print(f"\n{_QUESTION}", highlight=False, soft_wrap=True)
        console.print(_answer_grid(warehouse))
    failed = sum(it.checks["failed"] for it in summaries.values())
    console.print(
        f"\nwarehouse  {settings.warehouse_file or settings.warehouse}\n"
        f"lake       {settings.lake}\n"
        f"quality    {LakePaths(settings.lake).quality_report()}",
        soft_wrap=True,
    )
    console.print("`make dev` shows it in the UI.")
    changed = [name for name in after if after[name] != before[name]]
    if expect_unchanged and changed:
        console.print(f"changed, and nothing should have: {', '.join(changed)}")
        return 1
    return 1 if failed else 0


def drop_sample_erp(paths: LakePaths) -> None:
    """Put the sample ERP export into landing folders that have no file."""
    for kind in ERP_KINDS:
        fs, folder = files.filesystem(paths.landing(kind))
        if not any(path.endswith(".csv") for path in fs.find(folder, maxdepth=1)):
            files.upload(SAMPLE_ERP / f"{kind}.csv", f"{paths.landing(kind)}/{kind}.csv")


def sessions_between(key_range: str) -> list[str]:
    """The sessions of a range, ``FIRST...LAST``, both ends included, or of one day.

    Raises:
        NotATradingDayError: an end is no trading day.
        ValueError: its ends are reversed.
    """
    first, _, last = key_range.partition("...")
    days = terminal.definitions().resolve_assets_def("raw_stock_prices").partitions_def
    if not isinstance(days, dg.TimeWindowPartitionsDefinition):
        raise TypeError("raw_stock_prices is not partitioned by trading days")
    require_sessions(days, [first, last or first])
    if last and last < first:
        raise ValueError(f"{key_range}: {last} lies before {first}")
    return list(days.get_partition_keys_in_range(dg.PartitionKeyRange(first, last or first)))


def run_all(
    sessions: list[str], instance: dg.DagsterInstance, console: Console
) -> dict[str, AssetSummary]:
    """Run the jobs in the order of the data.

    Raises:
        RunFailedError: a run failed.
    """
    summaries: dict[str, AssetSummary] = defaultdict(AssetSummary)
    size = RANGE_RUNS.max_partitions_per_run or len(sessions)
    years = [sessions[at : at + size] for at in range(0, len(sessions), size)]
    _load_what_landed(instance, summaries, console)
    _run("reference_data", {}, instance, summaries, console)
    for year in years:
        tags = {
            "dagster/asset_partition_range_start": year[0],
            "dagster/asset_partition_range_end": year[-1],
        }
        _run("daily_stock_prices", tags, instance, summaries, console)
    _run("quality_report", {}, instance, summaries, console)
    return summaries


def _load_what_landed(
    instance: dg.DagsterInstance, summaries: dict[str, AssetSummary], console: Console
) -> None:
    """Ask the sensor as the daemon does, and launch what it asks for."""
    lake = LakeResource(root=load_settings().lake)
    waiting = [it for kind in ERP_KINDS for it in pending(lake.paths, kind)]
    if not waiting:
        return
    settles_at = max(it.settles_at for it in waiting)
    time.sleep(max((settles_at - datetime.now(UTC)).total_seconds(), 0))
    asked = erp_csv_sensor(dg.build_sensor_context(instance), lake=lake)
    if not isinstance(asked, dg.RunRequest):
        raise RunFailedError(f"erp_csv_sensor asks for nothing: {asked}")
    console.print(f"erp_csv_sensor saw {', '.join(f'{it.kind}/{it.name}' for it in waiting)}")
    _run("erp_load", {}, instance, summaries, console)


def fingerprints(warehouse: Warehouse) -> dict[str, str]:
    """A digest of each table's rows, all columns included.

    asset_check_result is left out: it tells of runs, and so grows by each.
    """
    warehouse.create_tables()
    digests = {}
    for table in (it for it in TABLES.values() if it is not ASSET_CHECK_RESULT):
        digest = hashlib.sha256()
        for batch in warehouse.read(table).to_batches():
            digest.update(batch.to_pandas().to_csv(index=False).encode())
        digests[table.name] = digest.hexdigest()
    return digests


def _run(
    job: str,
    tags: dict[str, str],
    instance: dg.DagsterInstance,
    summaries: dict[str, AssetSummary],
    console: Console,
) -> None:
    result = terminal.run(job, tags, instance, console)
    _collect(result, summaries)
    if not result.success:
        raise terminal.failure(result)


def _collect(result: dg.ExecuteInProcessResult, summaries: dict[str, AssetSummary]) -> None:
    for event in result.all_events:
        if event.is_step_materialization and event.asset_key:
            summary = summaries[event.asset_key.to_user_string()]
            metadata = event.step_materialization_data.materialization.metadata
            summary.materializations += 1
            count = metadata.get("dagster/row_count")
            summary.rows += (isinstance(count, dg.IntMetadataValue) and count.value) or 0
    evaluations = result.get_asset_check_evaluations()
    by_session = {it.asset_check_key for it in evaluations if it.partition}
    for evaluation in evaluations:
        if evaluation.asset_check_key in by_session and not evaluation.partition:
            continue  # the sum over the sessions
        state = "passed" if evaluation.passed else "failed"
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.WARN:
            state = "warned"
        summaries[evaluation.asset_key.to_user_string()].checks[state] += 1


def _summary_grid(summaries: dict[str, AssetSummary]) -> Grid:
    grid = Grid("asset", "materialized", "rows", "passed", "warned", "failed", title="Assets")
    for name, it in summaries.items():
        checks = (it.checks[state] for state in ("passed", "warned", "failed"))
        grid.add_row(name, f"{it.materializations:,}", f"{it.rows:,}", *map(str, checks))
    return grid


def _change_grid(before: dict[str, str], after: dict[str, str], warehouse: Warehouse) -> Grid:
    grid = Grid("table", "rows", "against the run before", title="Warehouse")
    for name, digest in after.items():
        rows = warehouse.read(TABLES[name]).num_rows
        told = "unchanged" if before[name] == digest else "changed"
        is_new = before[name] == _NO_ROWS and rows > 0
        grid.add_row(name, f"{rows:,}", "new" if is_new else told)
    return grid


def _answer_grid(warehouse: Warehouse) -> Grid:
    answer = warehouse.query(_QUESTION)
    grid = Grid(*answer.column_names)
    for row in answer.to_pylist():
        grid.add_row(*(str(value) for value in row.values()))
    return grid


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], expect_unchanged="--expect-unchanged" in sys.argv[2:]))
    except OSError as error:
        sys.exit(f"{error}: STOCK_PLATFORM_LAKE and STOCK_PLATFORM_WAREHOUSE say where data goes")
    except (RunFailedError, NotATradingDayError, ValueError) as error:
        sys.exit(str(error))
