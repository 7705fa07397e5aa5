"""deploy/gcp on a machine that its own script has set up, with emulators in Google's place."""

import json
import re
import subprocess
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from google.cloud import storage

from stock_platform_tests.integration.test_containers import on_loopback, runs
from stock_platform_tests.support import postgres
from stock_platform_tests.support.apt import need
from stock_platform_tests.support.containers import compose, machine
from stock_platform_tests.support.google.cloud import cloud
from stock_platform_tests.support.google.emulators import PROJECT
from stock_platform_tests.support.webserver import Ui, free_port

pytestmark = pytest.mark.integration

PASSWORD = "a password, of production"  # noqa: S105 - of a server that lives for this test
UI = "https://prices.example/$team"
# Impersonation asks Google's own host; google/test_credentials.py proves it.
NOT_HERE = ("STOCK_PLATFORM_INGEST_ACCOUNT", "STOCK_PLATFORM_LOADER_ACCOUNT")


class Pager(BaseHTTPRequestHandler):
    """What alerts are sent to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """The test tells what came."""


@pytest.fixture(scope="module")
def pager():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pager)
    server.messages = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def deployment(google):
    with cloud(google) as it:
        yield it


def names(prefix, deployment):
    """What Terraform fills in."""
    _, dataset = deployment.environment["STOCK_PLATFORM_WAREHOUSE"].rsplit("/", 1)
    return {
        "image": f"europe-west1-docker.pkg.dev/{PROJECT}/images/stock_platform@sha256:{'0' * 64}",
        "project": PROJECT,
        "region": deployment.environment["STOCK_PLATFORM_REGION"],
        "prefix": prefix,
        "deployment": "production",
        "database_host": "127.0.0.1",
        "dataset": dataset,
        "subnetwork": "projects/p/regions/r/subnetworks/batches",
        "kms_key": "",
        "settings": f"STOCK_PLATFORM_DAGSTER_URL='{UI}'",
    }


@pytest.fixture(scope="module")
def started(image, deployment, pager):
    """A machine's root after two starts, its names, and what was called the second time."""
    lake = deployment.environment["STOCK_PLATFORM_LAKE"]
    prefix = re.fullmatch(r"gs://(.+)-\{layer\}.*", lake)[1]
    root = image.root.parent / "clean"
    secrets = {
        f"{prefix}-database-password": f"{PASSWORD}\n",
        f"{prefix}-alert-url": f"json://127.0.0.1:{pager.server_port}/",
    }
    machine.start(root, names(prefix, deployment), secrets)
    return root, prefix, machine.start(root, names(prefix, deployment), secrets)


@pytest.fixture(scope="module")
def project(image, deployment, started, tmp_path_factory):
    root, prefix, _ = started
    storage.Client().create_bucket(f"{prefix}-logs")
    lake = {"STOCK_PLATFORM_LAKE": f"gs://{prefix}-{{layer}}"}
    replace(deployment, environment=deployment.environment | lake).drop_sample_erp()
    folder = tmp_path_factory.mktemp("production")
    folder.chmod(0o755)
    file = root / "etc/stock-platform/compose.yaml"
    content = compose.load(file, written(file.with_name(".env")))
    code = content["services"]["code"]["environment"]
    for name in NOT_HERE:
        del code[name]
    account = folder / "account.json"
    account.write_bytes(Path(deployment.environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_bytes())
    emulated = {k: v for k, v in deployment.environment.items() if k not in code}
    emulated["GOOGLE_APPLICATION_CREDENTIALS"] = "/opt/account.json"
    with postgres.as_in_production(PASSWORD) as port:
        words = {"3000": str(free_port()), "4000": str(free_port()), "0.0.0.0": "127.0.0.1"}  # noqa: S104
        files = on_loopback(image, folder, file.with_name("dagster.yaml"), port, words)
        files["/opt/account.json"] = account
        with compose.Project(
            file, content, image, folder, words, emulated, files, machine=root
        ).up() as it:
            yield it


def written(file):
    """The variables that the machine's start has written for the compose file."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


@pytest.fixture(scope="module")
def ui(project):
    return Ui(project.words["3000"])


def lines(project, **fields):
    """The code server's lines of these fields; every line on its standard output is an object."""
    told = [json.loads(it) for it in project.output("code").splitlines()]
    return [it for it in told if fields.items() <= it.items()]


def test_the_machines_script_passes_shellcheck(deployment, tmp_path):
    script = tmp_path / "startup.sh"
    script.write_text(machine.script(names("acme", deployment)))
    checked = subprocess.run(  # noqa: S603
        [need("shellcheck", "shellcheck"), script, machine.DEPLOY.parent / "entrypoint.sh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == ""


def test_the_machine_may_start_again_and_again_and_keeps_secrets_in_memory(started):
    root, _, calls = started
    secrets = root / "run/stock-platform/secrets"
    assert {it.name: oct(it.stat().st_mode & 0o777) for it in secrets.iterdir()} == {
        "DAGSTER_PG_PASSWORD": "0o400",
        "STOCK_PLATFORM_ALERT_URL": "0o400",
    }
    assert all(it.stat().st_uid == 10001 for it in secrets.iterdir())
    assert PASSWORD not in "".join(calls)
    written = [it for it in (root / "etc").rglob("*") if it.is_file() and not it.is_symlink()]
    assert not [it for it in written if PASSWORD.encode() in it.read_bytes()]
    assert not (root / "run/stock-platform/docker").exists()
    home = "--project-directory /etc/stock-platform"
    assert f"docker compose {home} up --detach --remove-orphans --wait --wait-timeout 600" in calls
    assert not [it for it in calls if it.startswith(("curl", "apt-get"))]


@pytest.fixture(scope="module")
def ended(project, ui):
    """A run that succeeded and one that failed, launched by the UI's API; the sensors told both."""
    ui.wait_for(lambda: [it["status"] for it in runs(ui, pipelineName="erp_load")], [["SUCCESS"]])
    assert ui.run_to_the_end("reference_data") == "SUCCESS"
    holiday = {"dagster/partition": "2012-12-25"}
    assert ui.run_to_the_end("daily_stock_prices", **holiday) == "FAILURE"
    ui.wait_for(lambda: bool(lines(project, event="run_failed")), {True})


@pytest.mark.usefixtures("ended")
def test_a_run_of_the_ui_is_stored_told_and_logged(project, started):
    materialized = lines(project, event="materialized", asset="dim_date")
    assert [it["severity"] for it in materialized] == ["INFO"]
    assert {"timestamp", "message", "run_id", "job", "rows"} <= materialized[0].keys()
    assert lines(project, event="run_succeeded", job="reference_data")
    blobs = storage.Client().list_blobs(f"{started[1]}-logs", prefix="dagster/storage/")
    assert any(materialized[0]["run_id"] in it.name for it in blobs)


def test_the_heart_beats(project, ui):
    ui.wait_for(lambda: bool(lines(project, event="heartbeat")), {True})
    beat = lines(project, event="heartbeat")[0]
    assert {"sessions_late", "hours_late", "runs_queued", "runs_started"} <= beat.keys()


@pytest.mark.usefixtures("ended")
def test_a_failing_run_calls_a_person(project, ui, pager):
    ui.wait_for(lambda: any("run-failed" in str(it) for it in pager.messages), {True})
    assert any(UI in str(it) for it in pager.messages)
    assert lines(project, event="alert", alert="run-failed")


def test_no_service_tells_a_secret(project, pager):
    for name in project.running:
        said = project.output(name) + project.errors(name)
        assert PASSWORD not in said
        assert str(pager.server_port) not in said
