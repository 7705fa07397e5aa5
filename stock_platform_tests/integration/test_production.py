"""The services of deploy/gcp after the startup script, with emulators instead of Google Cloud."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from dotenv import dotenv_values
from google.cloud import storage

from stock_platform_tests.integration.test_containers import on_loopback, runs
from stock_platform_tests.support import postgres
from stock_platform_tests.support.apt import need
from stock_platform_tests.support.containers import compose, machine
from stock_platform_tests.support.google.cloud import cloud
from stock_platform_tests.support.google.emulators import PROJECT
from stock_platform_tests.support.webhook import SECRET, webhook
from stock_platform_tests.support.webserver import Ui, free_port

pytestmark = pytest.mark.integration

PASSWORD = "a password, of production"  # noqa: S105 - of the test's own server
UI = "https://prices.example/$team"
# Impersonation needs Google's host; unit/google/test_credentials.py tests it.
OMITTED_SETTINGS = ("STOCK_PLATFORM_INGEST_ACCOUNT", "STOCK_PLATFORM_LOADER_ACCOUNT")


@pytest.fixture(scope="module")
def pager():
    with webhook() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def deployment(google):
    with cloud(google) as deployment:
        yield deployment


def names(prefix, deployment):
    """Return the template's variables, which Terraform sets."""
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
    """Start a machine twice; return its root, the prefix, and the calls of the second start."""
    lake = deployment.environment["STOCK_PLATFORM_LAKE"]
    prefix = re.fullmatch(r"gs://(.+)-\{layer\}.*", lake)[1]
    root = image.root.parent / "clean"
    secrets = {
        f"{prefix}-database-password": f"{PASSWORD}\n",
        f"{prefix}-alert-url": pager.address,
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
    content = compose.load(file, dotenv_values(file.with_name(".env")))
    code = content["services"]["code"]["environment"]
    for name in OMITTED_SETTINGS:
        del code[name]
    account = folder / "account.json"
    account.write_bytes(Path(deployment.environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_bytes())
    variables = deployment.environment.items()
    emulated = {name: value for name, value in variables if name not in code}
    emulated["GOOGLE_APPLICATION_CREDENTIALS"] = "/opt/account.json"
    with postgres.as_in_production(PASSWORD) as port:
        words = {"3000": str(free_port()), "4000": str(free_port()), "0.0.0.0": "127.0.0.1"}  # noqa: S104
        files = on_loopback(image, folder, file.with_name("dagster.yaml"), port, words)
        files["/opt/account.json"] = account
        with compose.Project(
            file, content, image, folder, words, emulated, files, machine=root
        ).up() as services:
            yield services


@pytest.fixture(scope="module")
def ui(project):
    return Ui(project.words["3000"])


def lines(project, **fields):
    """Return the code server's log lines with these fields; all its output is JSON."""
    parsed = [json.loads(line) for line in project.output("code").splitlines()]
    return [line for line in parsed if fields.items() <= line.items()]


def test_startup_script_passes_shellcheck(deployment, tmp_path):
    script = tmp_path / "startup.sh"
    script.write_text(machine.script(names("acme", deployment)))
    command = [need("shellcheck", "shellcheck"), script, machine.DEPLOY.parent / "entrypoint.sh"]
    checked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    assert checked.stdout == b""


def test_restarted_machine_keeps_secrets_in_memory(started):
    root, _, calls = started
    secrets = root / "run/stock-platform/secrets"
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in secrets.iterdir()} == {
        "DAGSTER_PG_PASSWORD": "0o400",
        "STOCK_PLATFORM_ALERT_URL": "0o400",
    }
    assert all(path.stat().st_uid == 10001 for path in secrets.iterdir())
    assert PASSWORD not in "".join(calls)
    files = [path for path in (root / "etc").rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    assert not (root / "run/stock-platform/docker").exists()
    home = "--project-directory /etc/stock-platform"
    assert f"docker compose {home} up --detach --remove-orphans --wait --wait-timeout 600" in calls
    assert not [call for call in calls if call.startswith(("curl", "apt-get"))]


@pytest.fixture(scope="module")
def finished_runs(project, ui):
    """Launch a run that succeeds and one that fails, and wait until the sensors log both."""
    ui.wait_for(lambda: [run["status"] for run in runs(ui, pipelineName="erp_load")], [["SUCCESS"]])
    assert ui.run_to_the_end("reference_data") == "SUCCESS"
    holiday = {"dagster/partition": "2012-12-25"}
    assert ui.run_to_the_end("daily_stock_prices", **holiday) == "FAILURE"
    ui.wait_for(lambda: bool(lines(project, event="run_failed")), {True})


@pytest.mark.usefixtures("finished_runs")
def test_run_is_logged_and_its_output_stored(project, started):
    materialized = lines(project, event="materialized", asset="dim_date")
    assert [line["severity"] for line in materialized] == ["INFO"]
    assert {"timestamp", "message", "run_id", "job", "rows"} <= materialized[0].keys()
    assert lines(project, event="run_succeeded", job="reference_data")
    blobs = storage.Client().list_blobs(f"{started[1]}-logs", prefix="dagster/storage/")
    assert any(materialized[0]["run_id"] in blob.name for blob in blobs)


def test_heartbeat_is_logged(project, ui):
    ui.wait_for(lambda: bool(lines(project, event="heartbeat")), {True})
    beat = lines(project, event="heartbeat")[0]
    assert {"sessions_late", "hours_late", "runs_queued", "runs_started"} <= beat.keys()


@pytest.mark.usefixtures("finished_runs")
def test_failed_run_sends_an_alert(project, ui, pager):
    ui.wait_for(lambda: "run-failed" in str(pager.received), {True})
    assert UI in str(pager.received)
    assert lines(project, event="alert", alert="run-failed")


def test_no_service_logs_a_secret(project):
    for name in project.running:
        output = project.output(name) + project.errors(name)
        assert PASSWORD not in output
        assert SECRET not in output
