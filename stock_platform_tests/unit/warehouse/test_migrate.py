"""A deployment of version 0.1.0 is migrated as a whole, however often it is interrupted."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.contracts import (
    FACT_STOCK_PRICE,
    TABLES,
)
from stock_platform.contracts.renamed import RENAMED_CHECKS, RENAMED_COLUMNS
from stock_platform.lake import check_results, files, load_ledger
from stock_platform.lake.files import CorruptObjectError
from stock_platform.warehouse.bigquery_tables import rename_script
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import WarehouseError
from stock_platform.warehouse.migrate import migrate, migrate_lake
from stock_platform_tests.support.commands import new_home
from stock_platform_tests.support.fixtures.deployment import V0_1_0, rows, unpack

SESSION, DAY = "2024-06-12", "2026-11-27"
COPIED = (
    "raw/stock_prices: sessions copied into raw runs: 11, with 0 records of a security that the "
    "ERP does not know"
)
# 2 raw runs of 3 objects, 8 processed objects, 7 loaded ones with two writes of their manifests,
# and the check results of a day.
LAKE_WRITES = 2 * 3 + 8 + 7 * 3 + 1


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


def kill_after(patch, writes):
    """Let the process die at the write after a number of writes to the lake."""
    lock, write, left = threading.Lock(), files.write, [writes]

    def write_or_die(uri, content):
        with lock:
            if not left[0]:
                raise Killed
            left[0] -= 1
            write(uri, content)

    patch.setattr(files, "write", write_or_die)


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
    assert len(run(old, dry_run=True).changes) == 4
    assert not old.settings.warehouse_file.exists()


def test_changes_are_counted(old):
    result = run(old, dry_run=True)
    counts = [change.removeprefix(f"{old.settings.lake}/") for change in result.changes]
    assert result.problems == []
    assert counts == [
        COPIED,
        "processed/stock_prices: objects with old column names: 8",
        "processed/loaded/fact_stock_price: objects with old column names: 7",
        "processed/check_results: check results with old names: 63",
        "asset_check_result: check results with old names: 63",
        "dim_exchange: columns IsVanished -> IsMissingFromExport",
        "dim_company: columns ItemId -> SecurityId, IsVanished -> IsMissingFromExport",
        "dim_company_history: columns ItemId -> SecurityId, IsVanished -> IsMissingFromExport",
        "fact_stock_price: columns AdjClose -> YahooAdjClose",
    ]


def test_lake_resumes_after_any_write(tmp_path, old, migrated, monkeypatch):
    lake = shutil.copytree(old.settings.lake, tmp_path / "lake")
    for writes in range(LAKE_WRITES):
        shutil.rmtree(old.settings.lake)
        shutil.copytree(lake, old.settings.lake)
        with monkeypatch.context() as patch:
            kill_after(patch, writes)
            with pytest.raises(Killed):
                run(old)
        assert "AdjClose" in old.warehouse.columns(FACT_STOCK_PRICE)
        assert migrate_lake(old.paths, dry_run=False).problems == []
        assert objects(old) == objects(migrated)


@pytest.mark.parametrize("step", ["replace_where", "rename_columns", "create_tables"])
def test_warehouse_resumes_after_any_step(old, migrated, monkeypatch, step):
    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, step, die)
        with pytest.raises(Killed):
            run(old)
    run(old)
    assert tables(old) == tables(migrated)


def test_interrupted_migration_names_remedy(old, monkeypatch):
    uri = old.paths.loaded(FACT_STOCK_PRICE.name, SESSION)
    write = files.write

    def die_at_object(target, content):
        if target == uri:
            raise Killed
        write(target, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", die_at_object)
        with pytest.raises(Killed):
            run(old)
    with pytest.raises(CorruptObjectError, match="run `stock-platform migrate` again"):
        load_ledger.read(old.paths, FACT_STOCK_PRICE.name, SESSION)


def test_migrated_manifests_have_one_digest(migrated):
    for session in load_ledger.sessions(migrated.paths, FACT_STOCK_PRICE.name):
        manifest = Path(migrated.paths.loaded_manifest(FACT_STOCK_PRICE.name, session))
        assert set(orjson.loads(manifest.read_bytes())) == {"rows", "sha256"}


def test_loaded_copies_stay_verifiable(migrated):
    for session in load_ledger.sessions(migrated.paths, FACT_STOCK_PRICE.name):
        loaded = load_ledger.read(migrated.paths, FACT_STOCK_PRICE.name, session)
        assert "YahooAdjClose" in pq.read_schema(loaded.uri).names


def test_parquet_keeps_types_and_values(tmp_path, migrated):
    old = unpack(V0_1_0, tmp_path)
    uri, present = (copy.paths.processed("stock_prices", SESSION) for copy in (old, migrated))
    before, after = pq.read_table(uri), pq.read_table(present)
    assert after.equals(before.rename_columns(after.column_names))
    assert after.schema.metadata is None


def test_damaged_objects_are_reported_and_kept(old):
    damaged = [
        old.paths.processed("stock_prices", SESSION),
        old.paths.loaded(FACT_STOCK_PRICE.name, SESSION),
        old.paths.loaded_manifest(FACT_STOCK_PRICE.name, "2024-06-13"),
    ]
    other = old.paths.loaded(FACT_STOCK_PRICE.name, "2024-06-14")
    Path(damaged[0]).write_bytes(b"truncated")
    Path(damaged[1]).write_bytes(Path(other).read_bytes())
    Path(damaged[2]).write_bytes(b"{")
    before = [Path(uri).read_bytes() for uri in damaged]
    problems = run(old).problems
    assert len(problems) == len(damaged)
    assert all(any(uri in problem for problem in problems) for uri in damaged)
    assert [Path(uri).read_bytes() for uri in damaged] == before
    assert "YahooAdjClose" in pq.read_schema(other).names
    assert run(old).problems == problems


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
    for use in (
        old.warehouse.create_tables,
        lambda: old.warehouse.replace_sessions(
            FACT_STOCK_PRICE, [old.paths.loaded(FACT_STOCK_PRICE.name, SESSION)], [SESSION], 1
        ),
    ):
        with pytest.raises(WarehouseError, match=r"columns of version 0\.1\.0.*platform migrate"):
            use()


def test_outdated_objects_are_rejected_with_remedy(old, tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "new.duckdb")
    warehouse.create_tables()
    uri = old.paths.loaded(FACT_STOCK_PRICE.name, SESSION)
    with pytest.raises(WarehouseError, match=r"object to load .*0\.1\.0.*`stock-platform migrate`"):
        warehouse.replace_sessions(FACT_STOCK_PRICE, [uri], [SESSION], 1)


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
        "all columns and checks have their new names",
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
        "ALTER TABLE fact_stock_price RENAME COLUMN IF EXISTS AdjClose TO YahooAdjClose",
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
