"""Pools that a killed process held are free again; those of a living one are never taken."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import dagster as dg
import pytest
from rich.console import Console

from stock_platform.automation.pools import free_what_the_dead_hold
from stock_platform.cli import run_job
from stock_platform.cli.run_job import RunFailedError

# A step that holds the pool until it is told by a line to end.
HOLDING = """
import sys
import dagster as dg

@dg.op(pool="warehouse")
def load():
    print("holding", flush=True)
    sys.stdin.readline()

@dg.job(executor_def=dg.in_process_executor)
def loads():
    load()

with dg.DagsterInstance.get() as instance:
    print(loads.execute_in_process(instance=instance).run_id, flush=True)
"""


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1}}\n"
    )
    with dg.DagsterInstance.get() as it:
        yield it


@contextmanager
def holding():
    """A process whose run holds the pool."""
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", HOLDING],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def status(instance):
    (run,) = instance.get_runs()
    return run.status


def test_the_slot_of_a_killed_process_is_free_and_its_run_has_failed(instance):
    with holding() as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert free_what_the_dead_hold(instance, ["warehouse"]) == []
    assert status(instance) is dg.DagsterRunStatus.FAILURE
    assert not instance.event_log_storage.get_concurrency_info("warehouse").claimed_slots


def test_a_living_process_keeps_its_slot_and_is_named(instance):
    with holding() as process:
        (holder,) = free_what_the_dead_hold(instance, ["warehouse", "yahoo"])
        assert (holder.pool, holder.pid) == ("warehouse", process.pid)
        assert status(instance) is dg.DagsterRunStatus.STARTED
        assert free_what_the_dead_hold(instance, ["yahoo"]) == []
        process.communicate("\n")
    assert free_what_the_dead_hold(instance, ["warehouse"]) == []
    assert status(instance) is dg.DagsterRunStatus.SUCCESS


def test_of_an_instance_that_others_share_nothing_is_freed(instance, monkeypatch):
    monkeypatch.setattr(type(instance.event_log_storage), "is_run_sharded", False)
    with holding() as process:
        process.kill()
        process.wait()
        (holder,) = free_what_the_dead_hold(instance, ["warehouse"])
    assert holder.pid == process.pid


def test_a_command_says_whom_it_waits_for_and_does_not_wait_for_ever(instance, monkeypatch, capsys):
    @dg.op(pool="warehouse")
    def load():
        pass

    @dg.job
    def mine():
        load()

    monkeypatch.setattr(run_job, "definitions", lambda: dg.Definitions(jobs=[mine]))
    monkeypatch.setattr(run_job, "_PATIENCE_S", 0)
    with holding() as process:
        with pytest.raises(RunFailedError, match="Free concurrency slots"):
            run_job.run("mine", {}, instance, Console())
        assert f"of process {process.pid} holds the pool warehouse" in capsys.readouterr().out
        process.kill()
        process.wait()
        assert run_job.run("mine", {}, instance, Console()).success
