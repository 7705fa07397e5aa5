"""The services of docker-compose.yml: start, computation, and recovery from kills."""

import signal

import pytest
import yaml

from stock_platform_tests.support import ROOT, postgres
from stock_platform_tests.support.containers import compose
from stock_platform_tests.support.webserver import Ui, free_port

pytestmark = pytest.mark.integration

RUNS = """
query ($filter: RunsFilter) { runsOrError(filter: $filter) {
  ... on Runs { results { runId status } }
} }
"""
INSTANCE = "/opt/dagster/home/dagster.yaml"


@pytest.fixture(scope="module")
def project(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)
    with postgres.as_in_compose() as port:
        words = {"3000": str(free_port()), "4000": str(free_port()), "0.0.0.0": "127.0.0.1"}  # noqa: S104
        files = on_loopback(image, folder, ROOT / "deploy/local/dagster.yaml", port, words)
        content = compose.load(ROOT / "docker-compose.yml", {})
        with compose.Project(
            ROOT / "docker-compose.yml", content, image, folder, words, {}, files
        ).up() as services:
            yield services


@pytest.fixture(scope="module")
def ui(project):
    return Ui(project.words["3000"])


def on_loopback(image, folder, instance, port, words):
    """Write the files that contain ports and hosts for this machine, by their mount point.

    Run monitoring polls more often than in production, to keep the tests short.
    """
    settings = yaml.safe_load(instance.read_text())
    settings["storage"]["postgres"]["postgres_db"]["port"] = port
    intervals = dict.fromkeys(("poll_interval_seconds", "free_slots_after_run_end_seconds"), 2)
    settings["run_monitoring"] |= intervals
    workspace = (image.root / "opt/stock_platform/workspace.yaml").read_text()
    contents = {
        INSTANCE: yaml.safe_dump(settings),
        "/opt/stock_platform/workspace.yaml": workspace.replace("4000", words["4000"]),
        "/etc/hosts": "127.0.0.1 localhost code postgres\n",
    }
    files = {target: folder / target[1:].replace("/", "-") for target in contents}
    for target, path in files.items():
        path.write_text(contents[target])
        path.chmod(0o644)
    return files


def runs(ui, **filters):
    return ui.ask(RUNS, filter=filters)["runsOrError"]["results"]


def started(ui, job, **tags):
    """Launch a run and wait until it has left the queue."""
    run_id = ui.launch(job, **tags)
    ui.wait_for(lambda: ui.status_of_run(run_id), {"STARTED"})
    return run_id


def test_sensor_loads_dropped_companies(ui):
    ui.wait_for(lambda: [run["status"] for run in runs(ui, pipelineName="erp_load")], [["SUCCESS"]])


@pytest.mark.parametrize("service", ["code", "daemon", "webserver"])
def test_container_is_unprivileged_and_read_only(project, service):
    container = project.running[service]
    assert container.execute(["id", "-u"]).stdout == "10001\n"
    assert "Read-only" in container.execute(["touch", "/opt/stock_platform/venv/x"]).stderr
    assert container.execute(["touch", INSTANCE]).returncode
    assert container.execute(["touch", "/tmp/x"]).returncode == 0  # noqa: S108 - in the container
    assert container.execute(["grep", "CapBnd", "/proc/self/status"]).stdout.split()[1] == "0" * 16


def test_image_has_no_compiler_installer_or_tests(image):
    venv = image.root / "opt/stock_platform/venv"
    folders = (venv / "bin", image.root / "usr/bin")
    programs = {path.name for folder in folders for path in folder.iterdir()}
    assert not programs & {"pip", "uv", "pytest", "cc", "gcc", "make"}
    packages = venv / "lib/python3.11/site-packages"
    assert not list(packages.glob("pytest*")) + list(packages.glob("mypy*"))
    assert not (image.root / "build").exists()
    assert not (image.root / "root/.cache").exists()
    assert list((packages / "stock_platform").rglob("*.pyc"))


def test_stopping_code_server_waits_for_runs(project, ui):
    run_id = started(ui, "reference_data")
    process = project.running["code"].process
    process.send_signal(signal.SIGTERM)
    # The grace period in the compose file.
    assert process.wait(300) == 0
    assert ui.status_of_run(run_id) == "SUCCESS"
    project.start("code")
    project.wait("code")


def test_run_of_killed_code_server_is_retried(project, ui):
    lost = started(ui, "daily_stock_prices", **{"dagster/partition": "2012-12-03"})
    project.running["code"].kill()
    project.start("code")
    project.wait("code")
    ui.wait_for(lambda: ui.status_of_run(lost), {"FAILURE"})
    retries = {"tags": [{"key": "dagster/parent_run_id", "value": lost}]}
    ui.wait_for(lambda: [run["status"] for run in runs(ui, **retries)], [["SUCCESS"]])
    assert list((project.folder / "data/lake/processed").glob("stock_prices/year=2012/*"))
