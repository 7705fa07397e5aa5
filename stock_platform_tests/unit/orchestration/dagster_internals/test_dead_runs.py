"""Runs of dead processes are failed and release their slots; all others are left alone."""

import os
import shutil
import time
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.types import DaemonHeartbeat

from stock_platform.orchestration import process_locks
from stock_platform.orchestration.automation.sensors import quality_report_sensor
from stock_platform.orchestration.dagster_internals.dead_runs import (
    is_underway,
    queued_without_daemon,
    release_slots_of_dead_runs,
)
from stock_platform_tests.support.commands import killed_command, loads, new_home, ready_command

NOT_STARTED = dg.DagsterRunStatus.NOT_STARTED
QUEUED = dg.DagsterRunStatus.QUEUED
STARTING = dg.DagsterRunStatus.STARTING
STARTED = dg.DagsterRunStatus.STARTED
CANCELING = dg.DagsterRunStatus.CANCELING
CANCELED = dg.DagsterRunStatus.CANCELED
FAILURE = dg.DagsterRunStatus.FAILURE


def only_run(instance):
    (run,) = instance.get_runs()
    return run


def claimed_slots(instance):
    return instance.event_log_storage.get_concurrency_info("warehouse").claimed_slots


def launched_run(instance, status, job_name="loads"):
    """A run as the webserver or a sensor creates it, for a daemon to launch."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("stock_platform"), "all")
    origin = RemoteJobOrigin(repository, job_name)
    return instance.add_run(
        dg.DagsterRun(job_name, run_id=str(uuid4()), status=status, remote_job_origin=origin)
    )


@pytest.fixture(scope="module")
def killed_home(tmp_path_factory):
    """A home in which a process was killed while its run held the pool."""
    home = new_home(tmp_path_factory.mktemp("killed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        killed_command()
    return home


@pytest.fixture
def killed_instance(killed_home, tmp_path):
    """The instance of a copy of that home."""
    home = shutil.copytree(killed_home, tmp_path / "killed")
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def beat(instance):
    """Store a heartbeat, as a daemon does first."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", str(uuid4())))


@pytest.fixture
def daemon(instance):
    lock = instance.lock_path("daemon")
    process_locks.acquire(lock)
    yield
    process_locks.release(lock)


@pytest.fixture
def shared(instance, monkeypatch):
    """The instance, as if its storage were a server that other machines use too."""
    monkeypatch.setattr(type(instance.event_log_storage), "is_run_sharded", False)


def test_slot_of_killed_process_is_released(killed_instance):
    assert only_run(killed_instance).status is STARTED
    assert claimed_slots(killed_instance)
    release_slots_of_dead_runs(killed_instance)
    assert only_run(killed_instance).status is FAILURE
    assert not claimed_slots(killed_instance)


def test_living_process_keeps_run_and_slot(instance):
    with ready_command() as process:
        release_slots_of_dead_runs(instance)
        assert only_run(instance).status is STARTED
        assert claimed_slots(instance)
        process.communicate("\n")
    assert only_run(instance).status is dg.DagsterRunStatus.SUCCESS
    assert not list(instance.lock_path("").iterdir())


def test_living_process_keeps_failed_runs_slot(instance):
    with ready_command() as process:
        instance.report_run_failed(only_run(instance))
        release_slots_of_dead_runs(instance)
        assert only_run(instance).status is FAILURE
        assert claimed_slots(instance)
        process.kill()
        process.wait()
    release_slots_of_dead_runs(instance)
    assert not claimed_slots(instance)


def test_run_killed_before_start_fails(instance):
    with ready_command("created") as process:
        release_slots_of_dead_runs(instance)
        assert only_run(instance).status is NOT_STARTED
        process.kill()
        process.wait()
    release_slots_of_dead_runs(instance)
    assert only_run(instance).status is FAILURE


def test_killed_canceling_run_becomes_canceled(killed_instance):
    killed_instance.report_run_canceling(only_run(killed_instance))
    release_slots_of_dead_runs(killed_instance)
    assert only_run(killed_instance).status is CANCELED
    assert not claimed_slots(killed_instance)


def test_reused_pid_keeps_no_run_alive(killed_instance):
    killed_instance.run_lock(only_run(killed_instance).run_id).write_text(str(os.getpid()))
    release_slots_of_dead_runs(killed_instance)
    assert only_run(killed_instance).status is FAILURE


def test_failed_run_names_its_process(killed_instance, caplog):
    pid = process_locks.holder_pid(killed_instance.run_lock(only_run(killed_instance).run_id))
    release_slots_of_dead_runs(killed_instance)
    message = f"its process ({pid}) no longer exists"
    assert message in caplog.text
    (failure,) = killed_instance.get_records_for_run(
        only_run(killed_instance).run_id, of_type=dg.DagsterEventType.RUN_FAILURE
    ).records
    assert failure.event_log_entry.dagster_event.message == message


@pytest.mark.usefixtures("shared")
def test_shared_instance_is_left_alone(killed_instance):
    before = {
        launched_run(killed_instance, status).run_id: status for status in (STARTING, STARTED)
    }
    release_slots_of_dead_runs(killed_instance)
    beat(killed_instance)
    statuses = {run.run_id: run.status for run in killed_instance.get_runs()}
    assert before.items() <= statuses.items()
    assert set(statuses.values()) == {STARTING, STARTED}
    assert claimed_slots(killed_instance)
    assert all(is_underway(killed_instance, run) for run in killed_instance.get_runs())


def test_next_run_releases_dead_runs_slots(killed_instance):
    run = killed_instance.create_run_for_job(loads)
    assert not claimed_slots(killed_instance)
    assert {found.status for found in killed_instance.get_runs()} == {FAILURE, NOT_STARTED}
    assert is_underway(killed_instance, run)
    process_locks.release(killed_instance.run_lock(run.run_id))


@pytest.mark.parametrize("status", [NOT_STARTED, QUEUED])
def test_queued_run_waits_for_next_daemon(instance, status):
    run = launched_run(instance, status)
    release_slots_of_dead_runs(instance)
    assert only_run(instance).status is status
    assert not is_underway(instance, run)
    assert [found.run_id for found in queued_without_daemon(instance)] == [run.run_id]


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("status", [NOT_STARTED, QUEUED, STARTING, CANCELING])
def test_living_daemon_keeps_its_runs(instance, status):
    run = launched_run(instance, status)
    release_slots_of_dead_runs(instance)
    assert only_run(instance).status is status
    assert is_underway(instance, run)
    assert queued_without_daemon(instance) == []


@pytest.mark.parametrize(("status", "end"), [(STARTING, FAILURE), (CANCELING, CANCELED)])
def test_launching_run_dies_with_daemon(instance, status, end):
    launched_run(instance, status)
    release_slots_of_dead_runs(instance)
    assert only_run(instance).status is end


@pytest.mark.usefixtures("daemon")
def test_started_run_needs_living_process(instance):
    launched_run(instance, STARTED)
    release_slots_of_dead_runs(instance)
    assert only_run(instance).status is FAILURE


def test_new_daemon_fails_predecessors_launches(instance):
    launched_run(instance, STARTING)
    queued = launched_run(instance, QUEUED)
    beat(instance)
    assert is_underway(instance, queued)
    launched_run(instance, STARTING)
    beat(instance)
    assert sorted(run.status.name for run in instance.get_runs()) == [
        "FAILURE",
        "QUEUED",
        "STARTING",
    ]
    process_locks.release(instance.lock_path("daemon"))


def test_run_monitoring_detects_dead_processes(killed_instance):
    launcher, run = killed_instance.run_launcher, only_run(killed_instance)
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND
    process_locks.acquire(killed_instance.run_lock(run.run_id))
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    process_locks.release(killed_instance.run_lock(run.run_id))


@pytest.mark.usefixtures("daemon")
def test_dead_run_does_not_block_sensor(instance):
    def message():
        context = dg.build_sensor_context(instance)
        return quality_report_sensor(context).skip_message

    dead = launched_run(instance, STARTED, "quality_report")
    assert "no run has ended" in message()
    process_locks.acquire(instance.run_lock(dead.run_id))
    assert "already queued" in message()
    process_locks.release(instance.run_lock(dead.run_id))


def test_queued_run_blocks_sensor_with_daemon(instance):
    launched_run(instance, QUEUED, "quality_report")
    context = dg.build_sensor_context(instance)
    assert "no run has ended" in quality_report_sensor(context).skip_message
    process_locks.acquire(instance.lock_path("daemon"))
    assert "already queued" in quality_report_sensor(context).skip_message
    process_locks.release(instance.lock_path("daemon"))
