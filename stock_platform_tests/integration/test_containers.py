"""docker-compose.yml in the image: what it starts, what it computes, and what survives what."""

import signal

import pytest
import yaml

from stock_platform_tests.support import postgres
from stock_platform_tests.support.containers import compose
from stock_platform_tests.support.webserver import ROOT, Ui, free_port

pytestmark = pytest.mark.integration

RUNS = """
query ($filter: RunsFilter) {
  runsOrError(filter: $filter) {
    ... on Runs { results { runId status } }
  }
}
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
        ).up() as it:
            yield it


@pytest.fixture(scope="module")
def ui(project):
    return Ui(project.words["3000"])


def on_loopback(image, folder, instance, port, words):
    """Files that name ports and hosts, as this machine has them: by the place they are mounted at.

    Run monitoring looks more often than in production and waits less; nobody here has a minute.
    """
    settings = yaml.safe_load(instance.read_text())
    settings["storage"]["postgres"]["postgres_db"]["port"] = port
    often = dict.fromkeys(("poll_interval_seconds", "free_slots_after_run_end_seconds"), 2)
    settings["run_monitoring"] |= often
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
    """A run that computes, and not only waits for its turn."""
    run_id = ui.launch(job, **tags)
    ui.wait_for(lambda: ui.status_of_run(run_id), {"STARTED"})
    return run_id


def test_the_sensor_loads_the_companies_that_were_dropped(ui):
    ui.wait_for(lambda: [it["status"] for it in runs(ui, pipelineName="erp_load")], [["SUCCESS"]])


@pytest.mark.parametrize("service", ["code", "daemon", "webserver"])
def test_a_container_is_nobody_and_writes_nowhere_but_to_memory_and_volumes(project, service):
    container = project.running[service]
    assert container.execute(["id", "-u"]).stdout == "10001\n"
    assert "Read-only" in container.execute(["touch", "/opt/stock_platform/venv/x"]).stderr
    assert container.execute(["touch", INSTANCE]).returncode
    assert container.execute(["touch", "/tmp/x"]).returncode == 0  # noqa: S108 - its own
    assert container.execute(["grep", "CapBnd", "/proc/self/status"]).stdout.split()[1] == "0" * 16


def test_the_image_has_no_compiler_no_installer_and_no_tests(image):
    venv = image.root / "opt/stock_platform/venv"
    programs = {it.name for it in [*(venv / "bin").iterdir(), *(image.root / "usr/bin").iterdir()]}
    assert not programs & {"pip", "uv", "pytest", "cc", "gcc", "make"}
    packages = venv / "lib/python3.11/site-packages"
    assert not list(packages.glob("pytest*")) + list(packages.glob("mypy*"))
    assert not (image.root / "build").exists()
    assert not (image.root / "root/.cache").exists()
    assert list((packages / "stock_platform").rglob("*.pyc"))


def test_stopping_the_code_server_waits_for_its_runs(project, ui):
    run_id = started(ui, "reference_data")
    process = project.running["code"].process
    process.send_signal(signal.SIGTERM)
    # As long as the compose file gives it.
    assert process.wait(300) == 0
    assert ui.status_of_run(run_id) == "SUCCESS"
    project.start("code")
    project.wait("code")


def test_a_run_whose_code_server_dies_is_started_again_and_computed(project, ui):
    lost = started(ui, "daily_stock_prices", **{"dagster/partition": "2012-12-03"})
    project.running["code"].kill()
    project.start("code")
    project.wait("code")
    ui.wait_for(lambda: ui.status_of_run(lost), {"FAILURE"})
    retries = {"tags": [{"key": "dagster/parent_run_id", "value": lost}]}
    ui.wait_for(lambda: [it["status"] for it in runs(ui, **retries)], [["SUCCESS"]])
    assert list((project.folder / "data/lake/processed").glob("stock_prices/date=2012-12-03/*"))
