"""Jobs and backfills by the UI's API, with a real webserver, daemon and code server."""

import pytest

from stock_platform.cli.demo import drop_sample_erp
from stock_platform.lake.paths import LakePaths
from stock_platform_tests.support.commands import new_home
from stock_platform_tests.support.webserver import BACKFILL, LAUNCH_BACKFILL, serving

pytestmark = pytest.mark.integration

MATERIALIZED = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { assetPartitionStatuses {
    ... on TimePartitionStatuses { ranges { startKey endKey status } }
  } } }
}
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    drop_sample_erp(LakePaths(str(folder / "lake")))
    settings = {
        "DAGSTER_HOME": str(new_home(folder / "home")),
        "STOCK_PLATFORM_LAKE": str(folder / "lake"),
        "STOCK_PLATFORM_WAREHOUSE": f"duckdb:///{folder}/w.duckdb",
    }
    with serving(folder / "log", settings, daemon=True) as ui:
        yield ui


def test_jobs_and_backfill_over_holiday_succeed(ui):
    assert ui.run_to_the_end("erp_load") == "SUCCESS"
    assert ui.run_to_the_end("reference_data") == "SUCCESS"
    one = {"dagster/partition": "2012-08-30"}
    assert ui.run_to_the_end("daily_stock_prices", **one) == "SUCCESS"
    backfill = ui.backfill("2012-08-31", "2012-09-04")
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill

    def state():
        return ui.ask(BACKFILL, id=backfill["backfillId"])["partitionBackfillOrError"]["status"]

    assert ui.wait_for(state, {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"}) == (
        "COMPLETED_SUCCESS"
    )
    runs = ui.ask(BACKFILL, id=backfill["backfillId"])["partitionBackfillOrError"]["runs"]
    assert [run["status"] for run in runs] == ["SUCCESS"]
    node = ui.ask(MATERIALIZED, key={"path": ["fact_stock_price"]})["assetNodeOrError"]
    assert node["assetPartitionStatuses"]["ranges"] == [
        {"startKey": "2012-08-30", "endKey": "2012-09-04", "status": "MATERIALIZED"}
    ]


@pytest.mark.parametrize("day", ["2012-09-03", "2012-09-01", "1999-12-31", "2013-03-04"])
def test_backfill_rejects_holiday_by_date(ui, day):
    refused = ui.backfill("2012-09-04", day)
    assert refused["__typename"] == "PythonError"
    assert f"{day}: not a trading day" in refused["message"]


def test_range_ending_on_holiday_is_rejected(ui):
    partitions = {"range": {"start": "2012-08-31", "end": "2012-09-03"}}
    by_asset = [{"assetKey": {"path": ["raw_stock_prices"]}, "partitions": partitions}]
    refused = ui.ask(LAUNCH_BACKFILL, params={"partitionsByAssets": by_asset})
    assert "2012-09-03: not a trading day" in refused["launchPartitionBackfill"]["message"]


def test_run_tagged_with_holiday_fails(ui):
    one = {"dagster/partition": "2012-09-03"}
    assert ui.run_to_the_end("daily_stock_prices", **one) == "FAILURE"
