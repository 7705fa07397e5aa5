"""A run that waits for a pool logs it, obeys signals, and gets the slot when it is free."""

import logging
import os
import signal

import dagster as dg
import pytest

from stock_platform.orchestration.dagster_internals import pool_holders
from stock_platform.orchestration.dagster_internals.pool_holders import wait_for_slot

POOL = "warehouse"


@pytest.fixture
def storage(instance):
    """The storage of pools; the run `holder` has the only slot and the run `waiting` waits."""
    instance.event_log_storage.set_concurrency_slots(POOL, 1)
    for run_id in ("holder", "waiting"):
        # A run that does not exist would lose its slot.
        instance.add_run(dg.DagsterRun("loads", run_id=run_id, status=dg.DagsterRunStatus.STARTED))
        instance.event_log_storage.claim_concurrency_slot(POOL, run_id, "load")
    return instance.event_log_storage


@pytest.fixture(autouse=True)
def living_runs(instance, monkeypatch):
    """Consider every run alive, as an instance in PostgreSQL does."""
    monkeypatch.setattr(type(instance.event_log_storage), "is_run_sharded", False)


@pytest.fixture
def on_poll(monkeypatch):
    """Perform an action instead of the pause between two polls."""

    def replace_pause(action):
        monkeypatch.setattr(pool_holders.time, "sleep", lambda _: action())

    return replace_pause


def wait(instance):
    wait_for_slot(instance, POOL, "waiting", "load")


def test_wait_names_holder_until_released(instance, storage, on_poll, caplog):
    on_poll(lambda: storage.free_concurrency_slot_for_step("holder", "load"))
    wait(instance)
    assert storage.claim_concurrency_slot(POOL, "waiting", "load").is_claimed
    assert caplog.messages == ["waiting: run holder holds the pool warehouse"]


def test_holder_is_named_with_its_process(instance, storage, on_poll, caplog):
    instance.run_lock("holder").parent.mkdir()
    instance.run_lock("holder").write_text("4711")
    on_poll(lambda: storage.free_concurrency_slots_for_run("holder"))
    wait(instance)
    assert "run holder of process 4711 holds the pool warehouse" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_wait(instance, storage, on_poll, number):
    handler = signal.getsignal(signal.SIGTERM)
    on_poll(lambda: os.kill(os.getpid(), number))
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        wait(instance)
    signal.signal(signal.SIGTERM, handler)
    assert storage.get_concurrency_info(POOL).active_run_ids == {"holder"}


def test_next_holder_is_named(instance, storage, on_poll, caplog):
    instance.add_run(dg.DagsterRun("loads", run_id="first", status=dg.DagsterRunStatus.STARTED))
    storage.claim_concurrency_slot(POOL, "first", "load", priority=1)
    ends = iter(["holder", "first"])
    on_poll(lambda: storage.free_concurrency_slots_for_run(next(ends)))
    wait(instance)
    assert caplog.messages == [
        "waiting: run holder holds the pool warehouse",
        "waiting: run first holds the pool warehouse",
    ]


def test_pool_without_slots_is_logged(instance, storage, on_poll, caplog):
    storage.free_concurrency_slots_for_run("waiting")
    storage.free_concurrency_slots_for_run("holder")
    storage.set_concurrency_slots(POOL, 0)
    storage.claim_concurrency_slot(POOL, "waiting", "load")
    on_poll(lambda: storage.set_concurrency_slots(POOL, 1))
    wait(instance)
    assert caplog.messages == ["waiting: the pool warehouse has no free slot"]


def test_blocked_step_of_any_run_waits(instance, storage, on_poll, caplog):
    caplog.set_level(logging.WARNING)

    @dg.op(pool=POOL)
    def load():
        pass

    @dg.job(executor_def=dg.in_process_executor)
    def loads():
        load()

    storage.free_concurrency_slots_for_run("waiting")
    on_poll(lambda: storage.free_concurrency_slots_for_run("holder"))
    assert loads.execute_in_process(instance=instance).success
    assert "waiting: run holder holds the pool warehouse" in caplog.messages
