"""A warehouse that was lost comes back from the lake, row for row."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from stock_platform.contracts import TABLES
from stock_platform.lake import files
from stock_platform_tests.platform import SAMPLE_COMPANIES, Platform

# Two dividends lie in the first days; the last is published and fails a check of its own.
FIRST, LAST = "2012-11-05", "2012-11-09"
RENAMED = SAMPLE_COMPANIES[0].replace("Apple Inc.", "Apple").replace("2012-", "2013-")


def tables(platform):
    return {name: platform.table(name) for name in TABLES}


def differing(before, after):
    return [name for name, rows in before.items() if not rows.equals(after[name])]


def rebuild(platform):
    return platform.run("rebuild_warehouse")


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
    said = str([it.step_failure_data.error.message for it in result.get_step_failure_events()])
    assert "fact_stock_price: 2012-11-07" in said
    after = tables(platform)
    assert differing(before, after) == ["fact_stock_price", "stock_price_adjusted"]
    expected = before["fact_stock_price"]
    expected = expected[expected["TradeDate"].astype(str) != "2012-11-07"].reset_index(drop=True)
    pd.testing.assert_frame_equal(after["fact_stock_price"], expected)


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


def test_the_command_says_what_it_restored(played, tmp_path):
    before = tables(played)
    played.settings.warehouse_file.unlink()
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    done = subprocess.run(
        [sys.executable, "-m", "stock_platform.rebuild"],
        env={
            "PATH": "",
            "HOME": str(tmp_path),
            "DAGSTER_HOME": str(tmp_path),
            "STOCK_PLATFORM_LAKE": played.settings.lake,
            "STOCK_PLATFORM_WAREHOUSE": played.settings.warehouse,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fact_corporate_action" in done.stdout
    assert differing(before, tables(played)) == []
    assert files.exists(played.paths.quality_report())
