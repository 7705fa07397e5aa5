"""The real webserver and daemon, and the webserver's GraphQL API."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import dagster as dg
import orjson

from stock_platform_tests.support import ROOT
from stock_platform_tests.support.platform_fixture import Platform

TIMEOUT_S = 240

LAUNCH_RUN = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } }
} }
"""
LAUNCH_BACKFILL = """
mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename
  ... on LaunchBackfillSuccess { backfillId }
  ... on PythonError { message }
} }
"""
RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
BACKFILL = """
query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status runs(limit: 10) { status tags { key value } } }
} }
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
        except urllib.error.HTTPError as refused:  # the body contains the PythonError
            content = orjson.loads(refused.read())
        assert "errors" not in content, content
        return content["data"]

    def launch(self, job, **tags):
        code = {"repositoryName": "__repository__", "repositoryLocationName": "stock_platform"}
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        params = {"mode": "default", "executionMetadata": {"tags": pairs}}
        params["selector"] = {**code, "jobName": job}
        launched = self.ask(LAUNCH_RUN, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, *sessions):
        assets = [{"path": [name]} for name in PRICES]
        params = {"assetSelection": assets, "partitionNames": sessions}
        return self.ask(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]

    def status_of_run(self, run_id):
        return self.ask(RUN, id=run_id)["runOrError"]["status"]

    def wait_for(self, ask, done):
        deadline = time.monotonic() + TIMEOUT_S
        while (answer := ask()) not in done:
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


@contextmanager
def serving(log: Path, settings: Mapping[str, str], *, daemon: bool) -> Iterator[Ui]:
    """A webserver, with a daemon or without, until the end of the block."""
    port = free_port()
    processes = []
    with log.open("wb") as file:

        def start(program, *arguments):
            command = [Path(sys.executable).parent / program, *arguments]
            process = subprocess.Popen(  # noqa: S603 - our own commands
                [*command, "-w", ROOT / "workspace.yaml"],
                env=os.environ | settings,
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            processes.append(process)

        try:
            start("dagster-webserver", "-h", "127.0.0.1", "-p", str(port))
            ui = Ui(port)
            ui.wait_for(lambda: answers(ui), {True})
            # One after the other: concurrent creation of SQLite's tables fails.
            if daemon:
                start("dagster-daemon", "run")
            yield ui
        finally:
            for process in processes:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            print(log.read_text()[-4000:])  # noqa: T201 - shown when a test fails


@contextmanager
def browsable(folder: Path, fill: Callable[[Platform], None], **settings: str) -> Iterator[Ui]:
    """The webserver of a platform on which some jobs have run."""
    home = folder / "home"
    home.mkdir()
    with (
        Platform(folder) as platform,
        dg.instance_for_test({"nux": {"enabled": False}}, temp_dir=str(home)) as instance,
    ):
        platform.instance = instance
        fill(platform)
    environment = {"DAGSTER_HOME": str(home), **platform.environment, **settings}
    with serving(folder / "log", environment, daemon=False) as ui:
        yield ui


def answers(ui):
    try:
        return bool(ui.ask("{ version }"))
    except (urllib.error.URLError, ConnectionError):
        return False
