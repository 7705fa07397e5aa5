"""A deployment of version 0.1.0 is migrated as a whole, however often it is interrupted."""

import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from stock_platform.contracts import (
    FACT_STOCK_PRICE,
    TABLES,
)
from stock_platform.contracts.renamed import RENAMED_CHECKS, RENAMED_COLUMNS
from stock_platform.lake import check_results, files
from stock_platform.lake.processed import read_state
from stock_platform.warehouse.bigquery_tables import rename_script
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import WarehouseError
from stock_platform.warehouse.load import apply_pending
from stock_platform.warehouse.migrate import migrate, migrate_lake
from stock_platform_tests.support.commands import new_home
from stock_platform_tests.support.fixtures.deployment import V0_1_0, rows, unpack

SESSION, DAY = "2024-06-12", "2026-11-27"
COPIED = (
    "raw/stock_prices: sessions copied into raw runs: 11, with 0 records of a security that the "
    "ERP does not know"
)
COMMITTED = (
    "processed/batches: sessions committed as loaded: 7 (62 stock_prices, 3 corporate_actions, "
    "3 quarantine), with 0 rows of a security that the ERP does not know"
)
UNFINISHED = (
    "processed/batches: sessions whose last load did not finish, committed as of the load before: "
    "2024-06-17. Process them again"
)
# 2 raw runs of 3 objects, a refused batch, a batch with 3 parts, and the check results of a day.
LAKE_WRITES = 2 * 3 + 1 + 4 + 1


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def old(tmp_path):
    return unpack(V0_1_0, tmp_path / "old")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    deployment = unpack(V0_1_0, tmp_path_factory.mktemp("migrated"))
    run(deployment)
    return deployment


def run(deployment, *, dry_run=False):
    return migrate(deployment.paths, deployment.warehouse, dry_run=dry_run)


def objects(deployment):
    root = Path(deployment.settings.lake)
    return {
        str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()
    }


def tables(deployment):
    return {name: rows(deployment, name) for name in TABLES}


def without_times(found):
    return {name: [row | {"AppliedAt": None} for row in rows] for name, rows in found.items()}


def kill_after(patch, writes):
    """Let the process die at the write after a number of writes to the lake."""
    lock, left = threading.Lock(), [writes]

    def until_killed(write):
        def write_or_die(uri, content):
            with lock:
                if not left[0]:
                    raise Killed
                left[0] -= 1
                write(uri, content)

        return write_or_die

    for name in ("write", "create"):
        patch.setattr(files, name, until_killed(getattr(files, name)))


def test_second_migration_changes_nothing(migrated):
    before = objects(migrated), tables(migrated)
    result = run(migrated)
    assert (result.changes, result.problems) == ([], [])
    assert (objects(migrated), tables(migrated)) == before


def test_dry_run_changes_nothing(old):
    warehouse = old.settings.warehouse_file
    before = objects(old), warehouse.read_bytes()
    planned = run(old, dry_run=True)
    assert (objects(old), warehouse.read_bytes()) == before
    assert planned == run(old)


def test_dry_run_creates_no_warehouse(old):
    old.settings.warehouse_file.unlink()
    assert len(run(old, dry_run=True).changes) == 5
    assert not old.settings.warehouse_file.exists()


def test_changes_are_counted(old):
    result = run(old, dry_run=True)
    counts = [change.removeprefix(f"{old.settings.lake}/") for change in result.changes]
    assert result.problems == []
    assert counts == [
        COPIED,
        COMMITTED,
        "processed/batches: sessions that were never loaded, refused: 1",
        UNFINISHED,
        "processed/check_results: check results with old names: 63",
        "asset_check_result: check results with old names: 63",
        "dim_exchange: columns IsVanished -> IsMissingFromExport",
        "dim_company: columns ItemId -> SecurityId, IsVanished -> IsMissingFromExport",
        "dim_company_history: columns ItemId -> SecurityId, IsVanished -> IsMissingFromExport",
        "fact_stock_price: created with SecurityId, and filled from the lake",
        "fact_corporate_action: created with SecurityId, and filled from the lake",
    ]


def test_lake_resumes_after_any_write(tmp_path, migrated, monkeypatch):
    for writes in range(LAKE_WRITES):
        old = unpack(V0_1_0, tmp_path / str(writes))
        with monkeypatch.context() as patch:
            kill_after(patch, writes)
            with pytest.raises(Killed):
                run(old)
        assert "AdjClose" in old.warehouse.columns(FACT_STOCK_PRICE)
        assert migrate_lake(old.paths, dry_run=False).problems == []
        assert objects(old) == objects(migrated)


@pytest.mark.parametrize(
    "step", ["replace_where", "rename_columns", "recreate", "create_tables", "apply"]
)
def test_warehouse_resumes_after_any_step(old, migrated, monkeypatch, step):
    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, step, die)
        with pytest.raises(Killed):
            run(old)
    run(old)
    assert without_times(tables(old)) == without_times(tables(migrated))


def test_old_objects_are_left_alone(tmp_path, migrated):
    before, after = objects(unpack(V0_1_0, tmp_path)), objects(migrated)
    changed = {name for name, content in before.items() if after.get(name) != content}
    assert changed == {f"processed/check_results/date={DAY}/part-00000.parquet"}


def test_present_names_win_over_outdated_ones(old):
    results = check_results.read(old.paths, DAY)
    outdated = next(row for row in results.to_pylist() if row["CheckName"] in RENAMED_CHECKS)
    name = RENAMED_CHECKS[outdated["CheckName"]]
    again = outdated | {"CheckName": name, "Description": "collected again"}
    check_results.add(old.paths, DAY, pa.Table.from_pylist([again], schema=results.schema))
    run(old)
    migrated = check_results.read(old.paths, DAY)
    assert migrated.num_rows == results.num_rows
    assert again in migrated.to_pylist()


def test_outdated_warehouse_is_rejected_with_remedy(old):
    migrate_lake(old.paths, dry_run=False)
    with pytest.raises(WarehouseError, match=r"columns of version 0\.1\.0.*platform migrate"):
        old.warehouse.create_tables()
    with pytest.raises(WarehouseError, match=r"columns of version 0\.1\.0.*platform migrate"):
        apply_pending(old.paths, old.warehouse, read_state(old.paths))


@pytest.fixture
def command(old, tmp_path, monkeypatch):
    """Run the command on the deployment, with an instance of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(new_home(tmp_path)))
    monkeypatch.setenv("STOCK_PLATFORM_LAKE", old.settings.lake)
    monkeypatch.setenv("STOCK_PLATFORM_WAREHOUSE", f"duckdb:///{old.settings.warehouse_file}")

    def run_command(*options):
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "stock_platform.cli", "migrate", *options],
            capture_output=True,
            text=True,
            check=False,
        )

    return run_command


def test_command_migrates_and_reports(command):
    *planned, summary = command("--dry-run").stdout.splitlines()
    assert summary == "dry run: nothing was changed"
    assert command().stdout.splitlines() == [
        *planned,
        "the lake and the warehouse are migrated",
    ]


def test_command_refuses_while_a_run_is_underway(old, command):
    before = objects(old)
    with dg.DagsterInstance.get() as instance:
        run_id = instance.create_run_for_job(dg.job(name="loads")(lambda: None)).run_id
        refused = command()
        instance.delete_run(run_id)
    assert refused.returncode == 1
    assert f"in progress: loads (run {run_id}). Wait until they have ended" in refused.stderr
    assert objects(old) == before


def test_bigquery_renames_columns_by_statements():
    renames = {TABLES[name]: names for name, names in RENAMED_COLUMNS.items()}
    company = (
        "RENAME COLUMN IF EXISTS ItemId TO SecurityId, "
        "RENAME COLUMN IF EXISTS IsVanished TO IsMissingFromExport"
    )
    assert rename_script(renames).split(";\n") == [
        f"ALTER TABLE dim_company {company}",
        "ALTER TABLE dim_company_history DROP PRIMARY KEY IF EXISTS",
        f"ALTER TABLE dim_company_history {company}",
        "ALTER TABLE dim_company_history ADD PRIMARY KEY (SecurityId, EffectiveFrom) NOT ENFORCED",
        "ALTER TABLE dim_exchange RENAME COLUMN IF EXISTS IsVanished TO IsMissingFromExport",
    ]


@pytest.mark.parametrize("table", RENAMED_COLUMNS)
def test_renamed_columns_are_in_the_contracts(table):
    names = RENAMED_COLUMNS[table]
    columns = set(TABLES[table].column_names)
    assert set(names.values()) <= columns
    assert set(names).isdisjoint(columns)
    # BigQuery renames no column that it clusters or partitions by.
    layout = {*TABLES[table].cluster_by, TABLES[table].partition_by_month}
    assert layout.isdisjoint(names.values())
