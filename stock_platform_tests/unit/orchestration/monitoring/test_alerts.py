"""Which alerts are raised, and what they say."""

import dagster as dg
import pytest

from stock_platform.orchestration.monitoring.alerts import ALERTS, AlertSource, alerts, message
from stock_platform.orchestration.monitoring.failed_backfills import FailedBackfill
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.failure_reasons import FailedBatch
from stock_platform.orchestration.monitoring.finished_runs import FailedCheck, FinishedRun
from stock_platform_tests.support import ROOT

SOURCE = AlertSource("production", "https://dagster.example/")
CHECK = FailedCheck("fact_stock_price", "rows_reconcile", "2012-12-03", "3 rows are missing")
BATCH = FailedBatch("stock-prices-1", "the driver failed")
BACKFILL = FailedBackfill("abcdefgh", "no such partition")
SUCCEEDED = {"status": dg.DagsterRunStatus.SUCCESS, "error": None}


def finished(*checks, **changes):
    run = {
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
    return FinishedRun(**(run | changes), failed_checks=checks)


def tick(*, newly_failing=True):
    return FailedTick("erp_csv_sensor", "OSError: no route", 1, newly_failing=newly_failing)


def raised(*runs, ticks=(), backfills=(), late=()):
    return alerts(SOURCE, runs, ticks, backfills, late)


def names(*runs, **others):
    return [alert.name for alert in raised(*runs, **others)]


def test_run_alert_links_page_and_runbook():
    (alert,) = raised(finished())
    assert alert.subject == (
        "production: run-failed (1): daily_stock_prices 2012-12-03: ValueError: no such price"
    )
    assert alert.body.splitlines() == [
        "daily_stock_prices 2012-12-03: ValueError: no such price",
        "https://dagster.example/runs/abc",
        "What to do: docs/runbooks/run-failed.md",
    ]


@pytest.mark.parametrize(
    "run",
    [
        finished(**SUCCEEDED),
        finished(status=dg.DagsterRunStatus.CANCELED),
        finished(will_retry=True, batch=BATCH),
    ],
    ids=["succeeded", "canceled", "retried"],
)
def test_no_alert(run):
    assert names(run) == []


def test_retried_run_alerts_on_failed_check():
    assert names(finished(CHECK, will_retry=True)) == ["check-failed"]


def test_successful_run_alerts_on_failed_check():
    (alert,) = raised(finished(CHECK, **SUCCEEDED))
    assert alert.name == "check-failed"
    assert "rows_reconcile of fact_stock_price 2012-12-03: 3 rows are missing" in alert.body
    page = "https://dagster.example/assets/fact_stock_price?view=checks&checkDetail=rows_reconcile"
    assert page in alert.body


def test_many_failed_checks_are_one_alert():
    (alert,) = raised(finished(*[CHECK] * 300, **SUCCEEDED))
    assert "check-failed (300)" in alert.subject
    assert "... and 290 more" in alert.body
    assert alert.body.count("rows_reconcile of") == 10


def test_failed_batch_is_named():
    run_failed, batch_failed = raised(finished(batch=BATCH))
    assert (run_failed.name, batch_failed.name) == ("run-failed", "batch-failed")
    assert "batch stock-prices-1 failed: the driver failed" in batch_failed.body


def test_only_newly_failing_ticks_raise_alerts():
    assert names(ticks=[tick(newly_failing=False)]) == []
    (alert,) = raised(ticks=[tick(), tick(newly_failing=False)])
    assert alert.subject == "production: tick-failed (1): erp_csv_sensor: OSError: no route"


def test_failed_backfill_links_to_its_page():
    (alert,) = raised(backfills=[BACKFILL])
    assert alert.subject == "production: backfill-failed (1): abcdefgh: no such partition"
    assert "https://dagster.example/runs/b/abcdefgh" in alert.body


def test_late_sessions_are_one_alert():
    (alert,) = raised(late=["2012-12-03", "2012-12-04"])
    assert alert.subject == "production: stale-prices (2): 2012-12-03"
    assert "https://dagster.example/assets/raw_stock_prices" in alert.body


def test_all_alerts_are_one_message():
    everything = raised(
        finished(CHECK, batch=BATCH), ticks=[tick()], backfills=[BACKFILL], late=["2012-12-03"]
    )
    assert tuple(alert.name for alert in everything) == ALERTS
    subject, body = message(everything)
    assert subject == f"{everything[0].subject} and 5 more alerts"
    assert all(alert.subject in body and alert.body in body for alert in everything)


def test_subject_is_cut():
    (alert,) = raised(finished(error="x" * 5000))
    assert len(alert.subject) == 200


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_runbook(name):
    assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists()
