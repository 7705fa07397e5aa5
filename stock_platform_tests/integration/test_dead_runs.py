"""Killed commands and daemons do not block those that start next."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import dagster as dg
import duckdb
import pytest
import yaml

from stock_platform.orchestration import process_locks
from stock_platform.orchestration.dagster_internals.dead_runs import release_slots_of_dead_runs
from stock_platform_tests.integration.test_commands import BIN, call, demo, environment
from stock_platform_tests.support import ROOT, postgres
from stock_platform_tests.support.commands import killed_command
from stock_platform_tests.support.processes import running
from stock_platform_tests.support.webserver import serving

pytestmark = pytest.mark.integration
__all__ = ["environment"]

MATERIALIZE = (BIN / "dagster", "asset", "materialize", "-m", "stock_platform.definitions")
DIM_DATE = (*MATERIALIZE, "--select", "dim_date")
# Killed after storing the run of its first job, before starting it.
DYING_DEMO = """
import os, signal, sys
import dagster as dg
from stock_platform.cli import demo
create = dg.DagsterInstance.create_run_for_job
def create_and_die(*args, **options):
    create(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
dg.DagsterInstance.create_run_for_job = create_and_die
demo.run("2012-08-06", expect_unchanged=False)
"""


@pytest.fixture
def instance(environment):
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as opened:
        yield opened


def started(environment, *command):
    return running(*command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until(is_so):
    deadline = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextmanager
def materializing(environment, instance, tmp_path):
    """A command that holds the pool and waits for the warehouse's file."""
    with duckdb.connect(tmp_path / "w.duckdb"), started(environment, *DIM_DATE) as process:
        storage = instance.event_log_storage
        wait_until(lambda: storage.get_concurrency_info("warehouse").claimed_slots)
        yield process


def killed_materialize(environment, instance, tmp_path):
    with materializing(environment, instance, tmp_path) as process:
        process.kill()


def statuses(instance):
    return [run.status.name for run in instance.get_runs()]


def test_materialize_succeeds_after_killed_materialize(environment, instance, tmp_path):
    killed_materialize(environment, instance, tmp_path)
    assert statuses(instance) == ["STARTED"]
    again = call(environment, *DIM_DATE)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "no longer exists" in again.stderr
    assert statuses(instance) == ["SUCCESS", "FAILURE"]


def test_daemon_launches_queued_run_despite_dead_one(environment, instance, tmp_path):
    killed_materialize(environment, instance, tmp_path)
    with serving(tmp_path / "log", environment, daemon=False) as ui:
        run_id = ui.launch("reference_data")
        assert ui.status_of_run(run_id) == "QUEUED"
        daemon = (BIN / "dagster-daemon", "run", "-w", ROOT / "workspace.yaml")
        with started(environment, *daemon):
            ended = ui.wait_for(lambda: ui.status_of_run(run_id), {"SUCCESS", "FAILURE"})
    steps = instance.get_run_step_stats(run_id, ["dim_date"])
    assert [step.status.name for step in steps] == ["SUCCESS"], ended
    assert statuses(instance)[-1] == "FAILURE"


def test_demo_succeeds_after_killed_demo(environment, instance):
    killed = call(environment, sys.executable, "-c", DYING_DEMO)
    assert killed.returncode == -signal.SIGKILL
    assert statuses(instance) == ["NOT_STARTED"]
    again = demo(environment, "2012-08-06")
    assert again.returncode == 0, again.stderr[-2000:] + again.stdout[-2000:]
    assert statuses(instance)[-1] == "FAILURE"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_waiting_materialize_logs_and_obeys_signals(environment, instance, tmp_path, number):
    with (
        materializing(environment, instance, tmp_path) as holder,
        started(environment, *DIM_DATE) as waiting,
    ):
        line = next(line for line in waiting.stderr if "waiting:" in line)
        assert f"of process {holder.pid} holds the pool warehouse" in line
        waiting.send_signal(number)
        waiting.communicate(timeout=60)
        assert waiting.returncode
        assert statuses(instance) == ["FAILURE", "STARTED"]


def test_waiting_demo_logs_and_obeys_signals(environment, instance):
    lock = instance.lock_path("command")
    command = [sys.executable, "-m", "stock_platform.cli", "demo", "2012-08-06"]
    process_locks.acquire(lock)
    try:
        with started(environment, *command) as demo:
            expected = f"waiting: another command is running, process {os.getpid()}\n"
            assert demo.stdout.readline() == expected
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(timeout=60) == -signal.SIGTERM
    finally:
        process_locks.release(lock)


def test_run_monitoring_handles_dead_runs_in_postgres(tmp_path, monkeypatch):
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with postgres.postgres() as url:
        content = yaml.safe_dump(settings | postgres.storage(url))
        (tmp_path / "dagster.yaml").write_text(content)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            killed_command()
            release_slots_of_dead_runs(instance)
            assert statuses(instance) == ["STARTED"]
            assert instance.event_log_storage.get_concurrency_info("warehouse").claimed_slots
            assert not instance.lock_path("").exists()
