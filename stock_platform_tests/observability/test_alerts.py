"""Who is called, and what they are told."""

import dagster as dg
import pytest

from stock_platform.observability.alerts import ALERTS, JudgedRun, Place, alerts, message
from stock_platform.observability.failures import FailedBatch
from stock_platform.observability.runs import EndedRun, FailedCheck
from stock_platform.observability.ticks import FailedTick
from stock_platform_tests.webserver import ROOT

PLACE = Place("production", "https://dagster.example/")


def judged(*checks, **changed):
    told = {
        "run_id": "abc",
        "job": "daily_stock_prices",
        "status": dg.DagsterRunStatus.FAILURE,
        "duration_s": 2.0,
        "partition": "2012-12-03",
        "will_retry": False,
        "error": "ValueError: no such price",
        "batch": None,
        "usd": None,
    }
    return JudgedRun(EndedRun(**(told | changed)), checks)


def check(session="2012-12-03"):
    return FailedCheck("fact_stock_price", "rows_reconcile", session, "3 rows are missing")


def tick():
    return FailedTick("1", "erp_csv_sensor", "OSError: no route", 1)


SUCCEEDED = {"status": dg.DagsterRunStatus.SUCCESS, "error": None}


def names(runs=(), ticks=(), late=()):
    return [it.name for it in alerts(PLACE, runs, ticks, late)]


def test_a_failed_run_says_what_failed_where_to_look_and_what_to_do():
    (alert,) = alerts(PLACE, [judged()], [], [])
    assert alert.subject == (
        "production: run-failed (1): daily_stock_prices 2012-12-03: ValueError: no such price"
    )
    assert alert.body.splitlines() == [
        "daily_stock_prices 2012-12-03: ValueError: no such price",
        "https://dagster.example/runs/abc",
        "What to do: docs/runbooks/run-failed.md",
    ]


def test_all_being_well_calls_nobody():
    assert names([judged(**SUCCEEDED)]) == []


def test_a_run_that_a_person_ended_calls_nobody():
    assert names([judged(status=dg.DagsterRunStatus.CANCELED)]) == []


def test_a_run_that_dagster_starts_again_calls_nobody():
    assert names([judged(will_retry=True, batch=FailedBatch("b", "e"))]) == []


def test_a_check_that_failed_in_a_run_that_dagster_starts_again_calls_for_none_judges_again():
    assert names([judged(check(), will_retry=True)]) == ["check-failed"]


def test_a_failed_check_calls_though_its_run_succeeded():
    (alert,) = alerts(PLACE, [judged(check(), **SUCCEEDED)], [], [])
    assert alert.name == "check-failed"
    assert "rows_reconcile of fact_stock_price 2012-12-03: 3 rows are missing" in alert.body
    page = "https://dagster.example/assets/fact_stock_price?view=checks&checkDetail=rows_reconcile"
    assert page in alert.body


def test_three_hundred_failed_checks_are_one_message_that_says_how_many():
    (alert,) = alerts(PLACE, [judged(*[check()] * 300, **SUCCEEDED)], [], [])
    assert "check-failed (300)" in alert.subject
    assert "... and 290 more" in alert.body
    assert alert.body.count("rows_reconcile of") == 10


def test_a_failed_batch_names_the_batch():
    batch = FailedBatch("stock-prices-1", "the driver failed")
    run_failed, batch_failed = alerts(PLACE, [judged(batch=batch)], [], [])
    assert (run_failed.name, batch_failed.name) == ("run-failed", "batch-failed")
    assert "batch stock-prices-1 failed: the driver failed" in batch_failed.body


def test_late_sessions_are_one_message():
    (alert,) = alerts(PLACE, [], [], ["2012-12-03", "2012-12-04"])
    assert alert.subject == "production: stale-prices (2): 2012-12-03"
    assert "https://dagster.example/assets/raw_stock_prices" in alert.body


def test_all_that_was_raised_is_one_message():
    raised = alerts(PLACE, [judged(check())], [tick()], ["2012-12-03"])
    subject, body = message(raised)
    assert subject == f"{raised[0].subject} and 3 more alerts"
    assert all(it.subject in body and it.body in body for it in raised)


def test_a_long_error_does_not_make_a_long_subject():
    (alert,) = alerts(PLACE, [judged(error="x" * 5000)], [], [])
    assert len(alert.subject) == 200


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_runbook(name):
    assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists()
