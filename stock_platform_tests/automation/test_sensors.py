"""The page is made again after runs have ended, once for all of them."""

import dagster as dg
import pytest

from stock_platform.automation.sensors import quality_report_sensor


@dg.op
def nothing() -> None:
    pass


@dg.job
def some_run() -> None:
    nothing()


@dg.job(name="quality_report")
def report_run() -> None:
    nothing()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as it:
        yield it


def tick(instance, cursor=None):
    context = dg.build_sensor_context(instance, cursor=cursor)
    return quality_report_sensor(context)


def test_nothing_is_reported_before_a_run_has_ended(instance):
    assert "no run has ended" in str(tick(instance).skip_message)


def test_runs_that_ended_ask_for_one_report(instance):
    for _ in range(3):
        some_run.execute_in_process(instance=instance)
    asked = tick(instance)
    assert len(asked.run_requests) == 1
    assert "no run has ended" in str(tick(instance, asked.cursor).skip_message)
    some_run.execute_in_process(instance=instance)
    again = tick(instance, asked.cursor)
    assert again.run_requests[0].run_key != asked.run_requests[0].run_key


def test_a_report_does_not_ask_for_another(instance):
    report_run.execute_in_process(instance=instance)
    assert "no run has ended" in str(tick(instance).skip_message)


def test_a_failed_run_is_reported_too(instance):
    @dg.op
    def fails() -> None:
        raise ValueError

    @dg.job
    def failing() -> None:
        fails()

    failing.execute_in_process(instance=instance, raise_on_error=False)
    assert len(tick(instance).run_requests) == 1


def test_while_a_report_is_on_its_way_none_is_asked_for(instance):
    some_run.execute_in_process(instance=instance)
    instance.create_run_for_job(report_run, status=dg.DagsterRunStatus.STARTED)
    assert "on its way" in str(tick(instance).skip_message)


def test_a_report_that_failed_is_asked_for_again_but_not_for_ever(instance):
    @dg.op
    def fails() -> None:
        raise ValueError

    @dg.job(name="quality_report")
    def broken_report() -> None:
        fails()

    some_run.execute_in_process(instance=instance)
    cursor, keys = tick(instance).cursor, []
    for _ in range(2):
        broken_report.execute_in_process(instance=instance, raise_on_error=False)
        again = tick(instance, cursor)
        keys += [it.run_key for it in again.run_requests]
        assert again.cursor == cursor
    assert len(set(keys)) == 2
    broken_report.execute_in_process(instance=instance, raise_on_error=False)
    assert "no run has ended" in str(tick(instance, cursor).skip_message)
    some_run.execute_in_process(instance=instance)
    assert tick(instance, cursor).run_requests
