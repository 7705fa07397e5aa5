"""Log lines of a deployment, with every event at least once."""

import json
import logging
from typing import Any, ClassVar

import dagster as dg
import pytest

from stock_platform.orchestration.monitoring.alerts import Alert
from stock_platform.orchestration.monitoring.event_log import EventLogger
from stock_platform.orchestration.monitoring.failed_backfills import FailedBackfill
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.failure_reasons import FailedBatch
from stock_platform.orchestration.monitoring.finished_runs import FinishedRun
from stock_platform.orchestration.monitoring.price_status import PriceStatus
from stock_platform_tests.unit.orchestration.monitoring.conftest import JSON_LINES, instance_in

DAY = "2012-12-03"


class Recorder(logging.Handler):
    """Log handler that keeps formatted lines."""

    lines: ClassVar[list[str]] = []

    def emit(self, record):
        self.lines.append(self.format(record))


@dg.asset(partitions_def=dg.StaticPartitionsDefinition([DAY]))
def prices() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 2})


@dg.asset_check(asset=prices)
def positive() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


def finished(status, batch=None):
    return FinishedRun("1", "daily", status, 60.0, DAY, False, batch and str(batch), batch, 0.5)  # noqa: FBT003


def log_everything(instance):
    dg.materialize([prices, positive], instance=instance, partition_key=DAY, raise_on_error=False)
    log = EventLogger(instance)
    log.run_finished(finished(dg.DagsterRunStatus.SUCCESS))
    log.run_finished(finished(dg.DagsterRunStatus.CANCELED))
    log.run_finished(finished(dg.DagsterRunStatus.FAILURE, FailedBatch("batch-1", "no quota")))
    log.tick_failed(FailedTick("daily_schedule", "no database", 1, newly_failing=True))
    log.backfill_failed(FailedBackfill("abcdefgh", "no such partition"))
    log.heartbeat(PriceStatus((DAY,), 2.0, "2012-11-30"), runs_queued=0, runs_started=1)
    alert = Alert("run-failed", "a run failed", "why, and what to do")
    log.alert(alert)
    log.alert_undelivered([alert], "no route", 1)


def logged(folder) -> list[dict[str, Any]]:
    """Log every event as JSON and return the lines."""
    handler = {"class": f"{__name__}.Recorder", "formatter": "json"}
    settings = JSON_LINES | {"handlers": {"recorder": handler}}
    with (
        pytest.MonkeyPatch.context() as patch,
        instance_in(folder, dagster_handler_config=settings) as instance,
    ):
        patch.setattr(Recorder, "lines", [])
        patch.setattr(logging.getLogger("stock_platform.orchestration.monitoring"), "handlers", [])
        log_everything(instance)
        lines = [json.loads(line) for line in Recorder.lines]
    return [line for line in lines if "event" in line]
