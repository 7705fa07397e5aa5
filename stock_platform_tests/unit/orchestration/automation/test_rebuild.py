"""A warehouse that was lost comes back from the lake, row for row."""

import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stock_platform.contracts import TABLES
from stock_platform.lake import files
from stock_platform.warehouse.interface import WarehouseError
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, Platform

# Two dividends lie in the first days; the last is published and fails a check of its own.
FIRST, LAST = "2012-11-05", "2012-11-09"
RENAMED = SAMPLE_COMPANIES[0].replace("Apple Inc.", "Apple").replace("2012-", "2013-")


def tables(platform):
    return {name: platform.table(name) for name in TABLES}


def differing(before, after):
    return [name for name, rows in before.items() if not rows.equals(after[name])]


def rebuild(platform):
    return platform.run("rebuild_warehouse")


def failures(result):
    return str([it.step_failure_data.error.message for it in result.get_step_failure_events()])


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A platform with history, rejected rows, corporate actions and verdicts."""
    with Platform(tmp_path_factory.mktemp("rebuild")) as platform:
        platform.load_dimensions(*SAMPLE_COMPANIES, SAMPLE_COMPANIES[1].replace("XNAS", "XXXX"))
        platform.drop_companies(*SAMPLE_COMPANIES, RENAMED)
        platform.run("erp_load")
        assert platform.run("daily_stock_prices", FIRST, LAST).success
        assert platform.run("quality_report").success
        yield platform


@pytest.fixture
def lost(played):
    """The platform without its warehouse, and what the tables held."""
    before = tables(played)
    assert all(len(rows) for rows in before.values())
    played.settings.warehouse_file.unlink()
    yield played, before
    assert rebuild(played).success


def test_every_table_is_restored_row_for_row(lost):
    platform, before = lost
    assert rebuild(platform).success
    assert differing(before, tables(platform)) == []


def test_what_was_not_lost_stays_as_it_is(played):
    before = tables(played)
    assert rebuild(played).success
    assert differing(before, tables(played)) == []


def test_a_damaged_session_is_named_and_all_else_is_restored(lost):
    platform, before = lost
    root = Path(platform.paths.processed_prices_folder()).parents[1]
    (kept,) = [
        it
        for it in root.rglob("*.parquet")
        if "2012-11-07" in str(it) and "fact_stock_price" in str(it)
    ]
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    result = rebuild(platform)
    kept.write_bytes(whole)
    assert not result.success
    assert "fact_stock_price: 2012-11-07" in failures(result)
    after = tables(platform)
    assert differing(before, after) == ["fact_stock_price", "stock_price_adjusted"]
    expected = before["fact_stock_price"]
    expected = expected[expected["TradeDate"].astype(str) != "2012-11-07"].reset_index(drop=True)
    pd.testing.assert_frame_equal(after["fact_stock_price"], expected)


def kept(platform, table, session, name):
    root = Path(platform.paths.loaded_session(table, session))
    (found,) = root.glob(name)
    return found


def test_a_session_whose_rows_are_told_wrong_costs_no_other(lost):
    platform, before = lost
    manifest = kept(platform, "fact_stock_price", "2012-11-07", "*.json")
    whole = manifest.read_bytes()
    told = orjson.loads(whole)
    manifest.write_bytes(orjson.dumps({**told, "rows": told["rows"] + 1}))
    result = rebuild(platform)
    manifest.write_bytes(whole)
    assert "2012-11-07" in failures(result)
    after = platform.table("fact_stock_price")
    assert len(after) == len(before["fact_stock_price"]) - told["rows"]


def test_what_the_warehouse_refuses_is_named_and_all_else_is_restored(lost):
    platform, before = lost
    parquet = kept(platform, "fact_stock_price", "2012-11-07", "*.parquet")
    manifest = kept(platform, "fact_stock_price", "2012-11-07", "*.json")
    whole = parquet.read_bytes(), manifest.read_bytes()
    pq.write_table(pq.read_table(parquet).drop_columns(["Volume"]), parquet)
    digest = hashlib.sha256(parquet.read_bytes()).hexdigest()
    manifest.write_bytes(orjson.dumps({**orjson.loads(whole[1]), "sha256": digest}))
    result = rebuild(platform)
    parquet.write_bytes(whole[0])
    manifest.write_bytes(whole[1])
    assert "Volume" in failures(result)
    assert differing(before, tables(platform)) == ["fact_stock_price", "stock_price_adjusted"]


def dying(platform, monkeypatch, session):
    """Load a session, and die after the warehouse's commit."""

    def die(*_):
        raise RuntimeError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("stock_platform.lake.load_ledger.keep", die)
        assert not platform.materialize("fact_stock_price", first=session).success


def test_a_load_that_died_before_it_was_kept_is_named_until_it_is_done_again(played, monkeypatch):
    before = tables(played)
    dying(played, monkeypatch, "2012-11-07")
    said = failures(rebuild(played))
    assert "fact_stock_price: 2012-11-07: restored as of the load before" in said
    assert "Materialize the session" in said
    assert differing(before, tables(played)) == []
    assert played.materialize("fact_stock_price", first="2012-11-07").success
    assert rebuild(played).success


def test_a_first_load_that_died_is_not_told_as_stopped_by_a_check(played, monkeypatch):
    before = len(played.table("fact_stock_price"))
    shutil.rmtree(played.paths.loaded_session("fact_stock_price", "2012-11-07"))
    dying(played, monkeypatch, "2012-11-07")
    said = failures(rebuild(played))
    assert "2012-11-07: not restored, because its last load did not finish" in said
    assert "a check stopped" not in said.lower()
    assert len(played.table("fact_stock_price")) == before
    assert played.materialize("fact_stock_price", first="2012-11-07").success
    assert rebuild(played).success


@pytest.mark.parametrize("stranger", ["date=2012-11-07.bak", "date=tmp", "date=20121107"])
def test_foreign_folders_are_named_and_everything_is_restored(lost, stranger):
    platform, before = lost
    paths = platform.paths
    folders = [
        Path(paths.loaded_folder("fact_stock_price"), stranger),
        Path(paths.check_results_folder(), stranger),
        Path(paths.processed_prices_folder(), stranger),
    ]
    for folder in folders:
        (folder / "deeper").mkdir(parents=True)
    result = rebuild(platform)
    for folder in folders:
        shutil.rmtree(folder)
    said = failures(result)
    assert all(f"{folder} is not named after a session" in said for folder in folders[:2]), said
    assert differing(before, tables(platform)) == []


def test_rows_of_a_session_that_was_loaded_without_any_go(played):
    before = tables(played)
    held = set(before["fact_corporate_action"]["TradeDate"].astype(str))
    (day, *_) = [it for it in sorted({FIRST, "2012-11-06", LAST}) if it not in held]
    with duckdb.connect(str(played.settings.warehouse_file)) as connection:
        connection.execute(
            "INSERT INTO fact_corporate_action BY NAME "
            "SELECT * REPLACE ($day::DATE AS TradeDate) FROM fact_corporate_action LIMIT 1",
            {"day": day},
        )
    assert "fact_corporate_action" in differing(before, tables(played))
    assert rebuild(played).success
    assert differing(before, tables(played)) == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rejected.json.gz", lambda it: it[:-9]),
        ("rejected.json.gz", lambda it: it[:12] + b"\xff" * 8 + it[20:]),
        ("facts.parquet", lambda it: it[:40] + bytes([it[40] ^ 1]) + it[41:]),
        ("facts.parquet", lambda it: it[: len(it) // 2]),
    ],
)
def test_damaged_facts_of_the_erp_are_named_and_all_else_is_restored(lost, name, damage):
    platform, before = lost
    current = orjson.loads(Path(platform.paths.current_erp("companies")).read_bytes())["load"]
    file = Path(platform.paths.raw_erp("companies", current), name)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    result = rebuild(platform)
    file.write_bytes(whole)
    assert "the companies in the lake cannot be read" in failures(result)
    assert differing(before, tables(platform)) == ["dim_company", "dim_company_history"]


def test_verdicts_that_lie_damaged_are_named(lost):
    platform, before = lost
    (kept,) = [
        it for it in Path(platform.settings.lake).rglob("*.parquet") if "check" in str(it.parent)
    ][:1]
    whole = kept.read_bytes()
    kept.write_bytes(b"nothing")
    result = rebuild(platform)
    kept.write_bytes(whole)
    assert not result.success
    assert "asset_check_result" in differing(before, tables(platform))


@pytest.fixture
def command(played, tmp_path):
    """Start the command on the platform, with an instance of its own."""
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1}}\n"
        "instance_class:\n"
        "  module: stock_platform.orchestration.dagster_internals.instance\n"
        "  class: HolidayRejectingInstance\n"
    )

    def start():
        return subprocess.Popen(
            [sys.executable, "-m", "stock_platform.cli", "rebuild-warehouse"],
            env={
                "PATH": "",
                "HOME": str(tmp_path),
                "DAGSTER_HOME": str(tmp_path),
                "STOCK_PLATFORM_LAKE": played.settings.lake,
                "STOCK_PLATFORM_WAREHOUSE": str(played.settings.warehouse),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_a_command_that_was_killed_is_repeated_to_the_end(played, command):
    before = tables(played)
    played.settings.warehouse_file.unlink()
    with command() as killed:
        assert any("rows restored" in line for line in killed.stdout)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    with command() as again:
        said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert differing(before, tables(played)) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"no database" * 1000,
        lambda it: it[: len(it) // 2],
        lambda it: it[:4200] + b"\xff" * 8 + it[4208:],
    ],
)
def test_a_damaged_warehouse_is_told_in_a_line_with_what_to_do(played, command, damage):
    whole = played.settings.warehouse_file.read_bytes()
    played.settings.warehouse_file.write_bytes(damage(whole))
    with command() as refused:
        _, said = refused.communicate(timeout=120)
    played.settings.warehouse_file.write_bytes(whole)
    assert refused.returncode == 1
    assert played.settings.warehouse_file.name in said
    assert "The file is damaged: move it" in said
    assert "close the named one" not in said
    assert "Traceback" not in said


def test_a_warehouse_that_another_process_holds_is_told_with_the_process(played, monkeypatch):
    monkeypatch.setattr("stock_platform.warehouse.duckdb._LOCK_TIMEOUT_S", 0)
    file = str(played.settings.warehouse_file)
    hold = f"import duckdb; c = duckdb.connect({file!r}); print(1, flush=True); input()"
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline()
        with pytest.raises(WarehouseError, match=f"PID {holder.pid}.*close the named one"):
            played.warehouse.create_tables()
        holder.communicate(b"\n")


def test_the_command_says_what_it_restored(played, command):
    before = tables(played)
    played.settings.warehouse_file.unlink()
    with command() as done:
        said, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    assert "fact_corporate_action" in said
    assert differing(before, tables(played)) == []
    assert files.exists(played.paths.quality_report())
