"""Severities of log lines."""

import json
import logging

import dagster as dg
import pytest

from stock_platform.orchestration.monitoring.event_log import EventLogger
from stock_platform.orchestration.monitoring.failure_reasons import FailedBatch
from stock_platform.orchestration.monitoring.finished_runs import FinishedRun
from stock_platform.orchestration.monitoring.json_logs import JsonFormatter

FAILURE, BATCH = dg.DagsterRunStatus.FAILURE, FailedBatch("batch-1", "no quota")


@pytest.mark.parametrize(("will_retry", "level"), [(True, logging.WARNING), (False, logging.ERROR)])
def test_retried_run_is_a_warning(instance, caplog, will_retry, level):
    run = FinishedRun("1", "daily", FAILURE, 60.0, None, will_retry, str(BATCH), BATCH, None)
    EventLogger(instance).run_finished(run)
    lines = [(line.levelno, line.fields["event"]) for line in caplog.records]
    assert lines == [(level, "run_failed"), (level, "batch_failed")]
    assert {line.fields["will_retry"] for line in caplog.records} == {will_retry or None}


@pytest.mark.parametrize(("severity", "level"), [("WARN", "WARNING"), ("ERROR", "ERROR")])
def test_failed_check_has_its_own_severity(severity, level):
    failed = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("prices"),
        check_name="positive",
        passed=False,
        severity=dg.AssetCheckSeverity(severity),
    )
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
    event = dg.DagsterEvent(kind, "job", event_specific_data=failed)
    record = logging.makeLogRecord({"levelname": "DEBUG", "dagster_event": event})
    line = json.loads(JsonFormatter().format(record))
    assert (line["severity"], line["check_severity"]) == (level, severity)
