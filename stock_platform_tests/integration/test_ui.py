"""The real webserver, daemon and code server: what a person can do from the UI's API."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from urllib.request import Request, urlopen

import orjson
import pytest

from stock_platform.demo import drop_sample_erp
from stock_platform.lake.paths import LakePaths

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240

LAUNCH_RUN = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
LAUNCH_BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
BACKFILL = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs(limit: 10) { status tags { key value } } }
  }
}
"""
MATERIALIZED = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { startKey endKey status } }
      }
    }
  }
}
"""
PRICES = ["raw_stock_prices", "processed_stock_prices", "fact_stock_price"]


class Ui:
    """A webserver on a free port, and its GraphQL API."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query, **variables):
        body = orjson.dumps({"query": query, "variables": variables})
        request = Request(  # noqa: S310 - loopback
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                content = orjson.loads(answer.read())
        except urllib.error.HTTPError as refused:  # the status of a PythonError; the body tells
            content = orjson.loads(refused.read())
        assert "errors" not in content, content
        return content["data"]

    def launch(self, job, **tags):
        params = {
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "stock_platform",
                "jobName": job,
            },
            "mode": "default",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        launched = self.ask(LAUNCH_RUN, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, *sessions):
        params = {
            "assetSelection": [{"path": [name]} for name in PRICES],
            "partitionNames": sessions,
        }
        return self.ask(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]

    def status_of_run(self, run_id):
        return self.ask(RUN, id=run_id)["runOrError"]["status"]

    def wait_for(self, question, done):
        deadline = time.monotonic() + PATIENCE_S
        while (answer := question()) not in done:
            assert time.monotonic() < deadline, answer
            time.sleep(1)
        return answer

    def run_to_the_end(self, job, **tags):
        run_id = self.launch(job, **tags)
        return self.wait_for(lambda: self.status_of_run(run_id), {"SUCCESS", "FAILURE"})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui")
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    drop_sample_erp(LakePaths(str(folder / "lake")))
    environment = os.environ | {
        "DAGSTER_HOME": str(home),
        "STOCK_PLATFORM_LAKE": str(folder / "lake"),
        "STOCK_PLATFORM_WAREHOUSE": f"duckdb:///{folder}/w.duckdb",
    }
    port = free_port()
    bin_ = Path(sys.executable).parent
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    commands = [
        [bin_ / "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *workspace],
        [bin_ / "dagster-daemon", "run", *workspace],
    ]
    with (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen(  # noqa: S603 - our own commands
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
            for command in commands
        ]
        try:
            it = Ui(port)
            it.wait_for(lambda: answers(it), {True})
            yield it
        finally:
            for process in processes:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            print((folder / "log").read_text()[-4000:])  # noqa: T201 - shown when a test fails


def answers(ui):
    try:
        return bool(ui.ask("{ version }"))
    except (urllib.error.URLError, ConnectionError):
        return False


def test_a_person_loads_dimensions_one_session_and_a_backfill_over_a_holiday(ui):
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
def test_a_backfill_of_a_day_that_is_no_session_is_refused_with_its_name(ui, day):
    refused = ui.backfill("2012-09-04", day)
    assert refused["__typename"] == "PythonError"
    assert f"{day}: not a trading day" in refused["message"]


def test_a_range_that_ends_on_a_holiday_is_refused_with_its_name(ui):
    partitions = {"range": {"start": "2012-08-31", "end": "2012-09-03"}}
    by_asset = [{"assetKey": {"path": ["raw_stock_prices"]}, "partitions": partitions}]
    refused = ui.ask(LAUNCH_BACKFILL, params={"partitionsByAssets": by_asset})
    assert "2012-09-03: not a trading day" in refused["launchPartitionBackfill"]["message"]


def test_a_run_tagged_with_a_holiday_fails_and_writes_nothing(ui):
    one = {"dagster/partition": "2012-09-03"}
    assert ui.run_to_the_end("daily_stock_prices", **one) == "FAILURE"
