"""The commands of the README, as a person types them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stock_platform.cli.demo import drop_sample_erp
from stock_platform.contracts import FACT_STOCK_PRICE
from stock_platform.lake.paths import LakePaths
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support.markdown import demo_output, shapes

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MAX_LINES = 60


@pytest.fixture
def environment(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    return os.environ | {
        "DAGSTER_HOME": str(home),
        "STOCK_PLATFORM_LAKE": str(tmp_path / "lake"),
        "STOCK_PLATFORM_WAREHOUSE": f"duckdb:///{tmp_path}/w.duckdb",
        "COLUMNS": "120",
    }


def call(environment, *command):
    return subprocess.run(  # noqa: S603 - our own commands
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def demo(environment, key_range, *options):
    return call(environment, BIN / "stock-platform", "demo", key_range, *options)


def test_the_demo_twice_changes_no_row(environment):
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


@pytest.mark.parametrize(
    ("key_range", "says"),
    [
        ("2012-09-03...2012-09-05", "2012-09-03: not a trading day"),
        ("2012-08-10...2012-08-06", "write 2012-08-06...2012-08-10"),
        ("2012-08-06..2012-08-10", "write FIRST...LAST with three dots"),
    ],
)
def test_the_demo_refuses_what_is_no_range_of_sessions_in_one_line(environment, key_range, says):
    refused = demo(environment, key_range)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert says in refused.stderr


def test_the_demo_refuses_a_wrong_setting_in_one_line(environment):
    refused = demo(environment | {"STOCK_PLATFORM_SPARK": "flink"}, "2012-08-06")
    assert refused.returncode == 1
    assert (
        refused.stderr
        == "STOCK_PLATFORM_SPARK=flink: Input should be 'sail', 'spark' or 'dataproc'\n"
    )


def test_a_demo_after_one_that_was_killed_is_whole(environment):
    command = [BIN / "stock-platform", "demo", "2012-08-06...2012-08-10"]
    killed = subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with killed:
        # The pool's slot is claimed, the Spark batch about to run.
        assert any("batch stock-prices" in line for line in killed.stdout)
        killed.kill()
    again = demo(environment, "2012-08-06...2012-08-10")
    assert again.returncode == 0, again.stderr[-2000:]


def test_a_range_from_the_command_line_needs_no_further_flags(environment, tmp_path):
    drop_sample_erp(LakePaths(environment["STOCK_PLATFORM_LAKE"]))
    materialize = (BIN / "dagster", "asset", "materialize", "-m", "stock_platform.definitions")
    erp = call(environment, *materialize, "--select", "raw_erp_exchanges,raw_erp_companies")
    assert erp.returncode == 0, erp.stderr[-2000:]
    assets = "raw_stock_prices,processed_stock_prices,fact_stock_price"
    span = "2012-08-31...2012-09-05"
    prices = call(environment, *materialize, "--select", assets, "--partition-range", span)
    assert prices.returncode == 0, prices.stderr[-2000:]
    facts = DuckDBWarehouse(tmp_path / "w.duckdb").read(FACT_STOCK_PRICE).to_pandas()
    assert facts.groupby("TradeDate").size().tolist() == [5, 5, 5]


def test_a_holiday_is_refused_on_the_command_line(environment):
    refused = call(
        environment,
        *(BIN / "dagster", "asset", "materialize", "-m", "stock_platform.definitions"),
        *("--select", "raw_stock_prices", "--partition", "2012-09-03"),
    )
    assert refused.returncode != 0
    assert "2012-09-03" in refused.stderr + refused.stdout
