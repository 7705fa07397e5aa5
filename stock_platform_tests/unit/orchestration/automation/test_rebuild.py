"""A lost warehouse is rebuilt from the lake, row for row."""

import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import duckdb
import orjson
import pytest

from stock_platform.contracts import TABLES
from stock_platform.lake import files
from stock_platform.lake.processed import part_uri, read_state
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, Platform, step_errors

# Two dividends are in the first days; the last is published and fails a check.
FIRST, LAST = "2012-11-05", "2012-11-09"
RENAMED = SAMPLE_COMPANIES[0].replace("Apple Inc.", "Apple").replace("2012-", "2013-")


def tables(platform):
    """All tables, without the time of a load."""
    found = {name: platform.table(name) for name in TABLES}
    return found | {"load_log": found["load_log"].drop(columns="AppliedAt")}


def differing(before, after):
    return [name for name, rows in before.items() if not rows.equals(after[name])]


def rebuild(platform):
    return platform.run("rebuild_warehouse")


@pytest.fixture(scope="module")
def loaded_platform(tmp_path_factory):
    """A platform with history, rejected rows, corporate actions and check results."""
    with Platform(tmp_path_factory.mktemp("rebuild")) as platform:
        platform.load_dimensions(*SAMPLE_COMPANIES, SAMPLE_COMPANIES[1].replace("XNAS", "XXXX"))
        platform.drop_companies(*SAMPLE_COMPANIES, RENAMED)
        platform.run("erp_load")
        assert platform.run("daily_stock_prices", FIRST, LAST).success
        assert platform.run("quality_report").success
        yield platform


@pytest.fixture
def platform_without_warehouse(loaded_platform):
    """The platform without its warehouse, and the former tables."""
    before = tables(loaded_platform)
    assert all(len(rows) for rows in before.values())
    loaded_platform.settings.warehouse_file.unlink()
    yield loaded_platform, before
    assert rebuild(loaded_platform).success


@contextmanager
def damaged(file, damage):
    """Change a file's content until the end of the block."""
    content = file.read_bytes()
    file.write_bytes(damage(content))
    yield
    file.write_bytes(content)


def test_every_table_is_restored(platform_without_warehouse):
    platform, before = platform_without_warehouse
    assert rebuild(platform).success
    assert differing(before, tables(platform)) == []


def part(platform):
    """The file of the prices, which one batch has written."""
    (found,) = read_state(platform.paths).parts("stock_prices")
    return Path(part_uri(platform.paths, found))


def test_lost_batch_is_named_and_the_rest_restored(platform_without_warehouse):
    platform, before = platform_without_warehouse
    with damaged(part(platform), lambda content: content[: len(content) // 2]):
        result = rebuild(platform)
        assert f"{part(platform)} is missing or was changed" in step_errors(result)
    facts = {"fact_stock_price", "fact_corporate_action", "stock_price_adjusted", "load_log"}
    assert set(differing(before, tables(platform))) == facts


def test_rebuild_never_loses_rows_of_a_damaged_part(loaded_platform):
    before = tables(loaded_platform)
    with damaged(part(loaded_platform), lambda content: content[1:]):
        assert "would be lost" in step_errors(rebuild(loaded_platform))
    assert differing(before, tables(loaded_platform)) == []


@pytest.mark.parametrize("name", ["date=2012-11-07.bak", "date=tmp", "date=20121107"])
def test_unrecognised_folder_is_named(platform_without_warehouse, name):
    platform, before = platform_without_warehouse
    folder = Path(platform.paths.check_results_folder(), name)
    (folder / "deeper").mkdir(parents=True)
    result = rebuild(platform)
    shutil.rmtree(folder)
    assert f"{folder} is not named after a session" in step_errors(result)
    assert differing(before, tables(platform)) == []


def test_only_surplus_rows_are_deleted(loaded_platform):
    before = tables(loaded_platform)
    held = set(before["fact_corporate_action"]["TradeDate"].astype(str))
    (day, *_) = [session for session in sorted({FIRST, "2012-11-06", LAST}) if session not in held]
    with duckdb.connect(str(loaded_platform.settings.warehouse_file)) as connection:
        connection.execute(
            "INSERT INTO fact_corporate_action BY NAME "
            "SELECT * REPLACE ($day::DATE AS TradeDate) FROM fact_corporate_action LIMIT 1",
            {"day": day},
        )
    loaded_platform.warehouse.create_tables()
    assert "fact_corporate_action" in differing(before, tables(loaded_platform))
    assert rebuild(loaded_platform).success
    assert differing(before, tables(loaded_platform)) == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rejected.json.gz", lambda content: content[:-9]),
        ("rejected.json.gz", lambda content: content[:12] + b"\xff" * 8 + content[20:]),
        ("facts.parquet", lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:]),
        ("facts.parquet", lambda content: content[: len(content) // 2]),
    ],
)
def test_damaged_erp_records_are_named(platform_without_warehouse, name, damage):
    platform, before = platform_without_warehouse
    current = orjson.loads(Path(platform.paths.current_erp("companies")).read_bytes())["load"]
    file = Path(platform.paths.raw_erp("companies", current), name)
    with damaged(file, damage):
        result = rebuild(platform)
    assert "the companies in the lake cannot be read" in step_errors(result)
    assert differing(before, tables(platform)) == ["dim_company", "dim_company_history"]


def test_damaged_check_results_fail_rebuild(platform_without_warehouse):
    platform, before = platform_without_warehouse
    paths = Path(platform.settings.lake).rglob("*.parquet")
    with damaged(next(path for path in paths if "check" in str(path.parent)), lambda _: b"nothing"):
        result = rebuild(platform)
    assert not result.success
    assert "asset_check_result" in differing(before, tables(platform))


@pytest.fixture
def command(loaded_platform, tmp_path):
    """Start the command on the platform, with an instance of its own."""
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1}}\n"
        "instance_class:\n"
        "  module: stock_platform.orchestration.dagster_internals.instance\n"
        "  class: HolidayRejectingInstance\n"
    )

    homes = {"PATH": "", **dict.fromkeys(("HOME", "DAGSTER_HOME"), str(tmp_path))}

    def start():
        return subprocess.Popen(
            [sys.executable, "-m", "stock_platform.cli", "rebuild-warehouse"],
            env={**homes, **loaded_platform.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_command_restores_all_after_a_kill(loaded_platform, command):
    before = tables(loaded_platform)
    loaded_platform.settings.warehouse_file.unlink()
    with command() as killed:
        assert any("rows restored" in line for line in killed.stdout)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    with command() as again:
        output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert "fact_corporate_action" in output
    assert differing(before, tables(loaded_platform)) == []
    assert files.exists(loaded_platform.paths.quality_report())


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"no database" * 1000,
        lambda content: content[: len(content) // 2],
        lambda content: content[:4200] + b"\xff" * 8 + content[4208:],
    ],
)
def test_damaged_warehouse_has_remedy(loaded_platform, command, damage):
    file = loaded_platform.settings.warehouse_file
    with damaged(file, damage), command() as rebuild_command:
        _, output = rebuild_command.communicate(timeout=120)
    assert rebuild_command.returncode == 1
    assert file.name in output
    assert f"The file is damaged: move {file} and its .wal file away" in output
    assert "close" not in output
    assert "Traceback" not in output
