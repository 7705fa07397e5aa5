"""The commands of the README, run in processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stock_platform.cli.demo import drop_sample_erp
from stock_platform.contracts import FACT_STOCK_PRICE
from stock_platform.lake.paths import LakePaths
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.commands import new_home
from stock_platform_tests.support.markdown import demo_output, shapes
from stock_platform_tests.support.processes import running

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
MAX_LINES = 60


@pytest.fixture
def environment(tmp_path):
    return os.environ | {
        "DAGSTER_HOME": str(new_home(tmp_path / "home")),
        "STOCK_PLATFORM_LAKE": str(tmp_path / "lake"),
        "STOCK_PLATFORM_WAREHOUSE": f"duckdb:///{tmp_path}/w.duckdb",
        "COLUMNS": "120",
    }


def call(environment, *command):
    return subprocess.run(  # noqa: S603 - our own commands
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


def demo(environment, key_range, *options):
    return call(environment, BIN / "stock-platform", "demo", key_range, *options)


def materialize(environment, *options):
    program = (BIN / "dagster", "asset", "materialize", "-m", "stock_platform.definitions")
    return call(environment, *program, "--select", *options)


def test_repeated_demo_changes_no_row(environment):
    first = demo(environment, "2012-08-06...2012-08-10")
    assert first.returncode == 0, first.stderr[-2000:]
    printed = set(shapes(first.stdout))
    assert [shape for shape in shapes(demo_output()) if shape not in printed] == []
    before_tables, _, _ = first.stdout.partition("Assets")
    assert len(before_tables.splitlines()) <= MAX_LINES
    assert "dagster - INFO" not in first.stdout + first.stderr
    again = demo(environment, "2012-08-06...2012-08-10", "--expect-unchanged")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("│ unchanged") == 8


def test_invalid_range_is_rejected_in_one_line(environment):
    rejected = demo(environment, "2012-09-03...2012-09-05")
    assert rejected.returncode == 1
    assert rejected.stderr.startswith("2012-09-03: not a trading day")
    assert len(rejected.stderr.splitlines()) == 1


def test_invalid_setting_is_rejected_in_one_line(environment):
    rejected = demo(environment | {"STOCK_PLATFORM_SPARK": "flink"}, "2012-08-06")
    assert rejected.returncode == 1
    reason = "STOCK_PLATFORM_SPARK=flink: Input should be 'sail', 'spark' or 'dataproc'\n"
    assert rejected.stderr == reason


def test_demo_succeeds_after_a_killed_demo(environment):
    command = (BIN / "stock-platform", "demo", "2012-08-06...2012-08-10")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with running(*command, env=environment, **pipes) as killed:
        # The run holds a slot of its pool, and the Spark batch is about to start.
        assert any("batch stock-prices" in line for line in killed.stdout)
    again = demo(environment, "2012-08-06...2012-08-10")
    assert again.returncode == 0, again.stderr[-2000:]


def test_dagster_materializes_a_range(environment, tmp_path):
    drop_sample_erp(LakePaths(environment["STOCK_PLATFORM_LAKE"]))
    erp = materialize(environment, "raw_erp_exchanges,raw_erp_companies")
    assert erp.returncode == 0, erp.stderr[-2000:]
    assets = "raw_stock_prices,processed_stock_prices,fact_stock_price"
    prices = materialize(environment, assets, "--partition-range", "2012-08-31...2012-09-05")
    assert prices.returncode == 0, prices.stderr[-2000:]
    facts = DuckDBWarehouse(tmp_path / "w.duckdb").read(FACT_STOCK_PRICE).to_pandas()
    assert facts.groupby("TradeDate").size().tolist() == [5, 5, 5]


def test_dagster_rejects_a_holiday(environment):
    rejected = materialize(environment, "raw_stock_prices", "--partition", "2012-09-03")
    assert rejected.returncode != 0
    assert "2012-09-03" in rejected.stderr + rejected.stdout
