"""A run that failed is final unless Dagster did start it again, whatever its tags promise."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from stock_platform.observability import runs as module
from stock_platform.observability.news import Cursor, news
from stock_platform.observability.runs import ended_run
from stock_platform_tests.observability.conftest import instance_in


@dg.op
def nothing() -> None:
    pass


@dg.job
def some_job() -> None:
    nothing()


LOCATION = RegisteredCodeLocationOrigin("stock_platform")
# What a run has that the daemon or the UI launched, and one of a terminal has not.
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "some_job")


@pytest.fixture
def instance(tmp_path):
    """One whose settings ask for retries, as the deployments' do."""
    with instance_in(tmp_path) as it:
        yield it


def kill(instance, origin=ORIGIN, **tags):
    """A run whose process died."""
    run = instance.create_run_for_job(some_job, remote_job_origin=origin, tags=tags)
    instance.report_run_failed(run, "its process is gone")
    return run.run_id


def told(instance, cursor):
    found = news(instance, cursor, ended_run)
    return [(it.run_id, it.will_retry) for it in found.runs], found.cursor


def test_a_killed_run_of_a_terminal_is_final_at_once_for_dagster_cannot_start_it_again(instance):
    cursor = Cursor.now()
    killed = kill(instance, origin=None)
    assert told(instance, cursor)[0] == [(killed, False)]


def test_a_killed_run_is_told_when_dagster_has_started_it_again_and_once(instance):
    cursor = Cursor.now()
    killed = kill(instance)
    undecided, cursor = told(instance, cursor)
    assert undecided == []
    instance.add_run_tags(killed, {AUTO_RETRY_RUN_ID_TAG: "another"})
    again, cursor = told(instance, cursor)
    assert again == [(killed, True)]
    assert told(instance, cursor)[0] == []


def test_a_killed_run_that_nobody_starts_again_is_final_after_a_while(instance, monkeypatch):
    cursor = Cursor.now()
    killed = kill(instance)
    undecided, cursor = told(instance, cursor)
    assert undecided == []
    monkeypatch.setattr(module, "_GRACE", timedelta(0))
    assert told(instance, cursor)[0] == [(killed, False)]


def test_a_run_that_was_started_often_enough_is_final_at_once(instance):
    cursor = Cursor.now()
    killed = kill(instance, **{"dagster/max_retries": "0"})
    assert told(instance, cursor)[0] == [(killed, False)]


def test_a_run_of_whose_end_dagster_has_stored_the_first_half_is_left_for_later(instance):
    cursor = Cursor.now()
    run = instance.create_run_for_job(some_job, remote_job_origin=ORIGIN)
    ends = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, "some_job")
    instance.run_storage.handle_run_event(run.run_id, ends, datetime.now(UTC))
    assert instance.get_run_by_id(run.run_id).is_failure
    assert told(instance, cursor)[0] == []


def test_a_retry_that_could_not_be_submitted_leaves_its_run_final(instance):
    cursor = Cursor.now()
    killed = kill(instance)
    instance.add_run_tags(killed, {AUTO_RETRY_RUN_ID_TAG: "another", WILL_RETRY_TAG: "false"})
    assert told(instance, cursor)[0] == [(killed, False)]
