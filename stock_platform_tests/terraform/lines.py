"""A deployment's log lines: each word of the platform at least once, as Cloud Logging has them."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

import dagster as dg
import pytest

from stock_platform.observability.alerts import Alert
from stock_platform.observability.failures import FailedBatch
from stock_platform.observability.runs import EndedRun
from stock_platform.observability.ticks import FailedTick
from stock_platform.observability.words import (
    tell_alert,
    tell_heartbeat,
    tell_run,
    tell_tick,
    tell_undelivered,
    teller,
)
from stock_platform.quality.rules.raw import Newest
from stock_platform_tests.observability.conftest import JSON_LINES, instance_in

DAY = "2012-12-03"


class Line(NamedTuple):
    """The agent takes the severity out of the payload."""

    severity: str
    payload: dict[str, Any]


class Keeper(logging.Handler):
    """In place of standard output."""

    kept: ClassVar[list[str]] = []

    def emit(self, record):
        self.kept.append(self.format(record))


@dg.asset(partitions_def=dg.StaticPartitionsDefinition([DAY]))
def prices() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 2})


@dg.asset_check(asset=prices)
def positive(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    for severity in dg.AssetCheckSeverity:
        context.op_execution_context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("prices"),
                check_name="positive",
                passed=False,
                severity=severity,
                partition=DAY,
            )
        )
    return dg.AssetCheckResult(passed=True)


def ended(status, batch=None, *, will_retry=False):
    return EndedRun(
        run_id="1",
        job="daily",
        status=status,
        duration_s=60.0,
        partition=DAY,
        will_retry=will_retry,
        error=batch.says if batch else None,
        batch=batch,
        usd=0.5,
    )


def tell_everything(instance):
    dg.materialize([prices, positive], instance=instance, partition_key=DAY)
    tell = teller(instance)
    batch = FailedBatch("batch-1", "no quota")
    for run in (
        ended(dg.DagsterRunStatus.SUCCESS),
        ended(dg.DagsterRunStatus.CANCELED),
        ended(dg.DagsterRunStatus.FAILURE, batch, will_retry=True),
        ended(dg.DagsterRunStatus.FAILURE, batch),
    ):
        tell_run(tell, run)
    alert = Alert("run-failed", "a run failed", "why, and what to do")
    now = datetime(2012, 12, 4, tzinfo=UTC)
    tell_tick(tell, FailedTick("1", "daily_schedule", "no database", 1))
    tell_heartbeat(tell, instance, Newest((DAY,), "2012-11-30", now - timedelta(hours=2)), now)
    tell_alert(tell, alert)
    tell_undelivered(tell, [alert], "no route", 1)


def told(folder):
    """What the formatter for machines makes of everything that has a word."""
    keeper = {"class": f"{__name__}.Keeper", "formatter": "json"}
    settings = JSON_LINES | {"handlers": {"keeper": keeper}}
    with (
        pytest.MonkeyPatch.context() as patch,
        instance_in(folder, dagster_handler_config=settings) as instance,
    ):
        patch.setattr(Keeper, "kept", [])
        patch.setattr(logging.getLogger("stock_platform.observability"), "handlers", [])
        tell_everything(instance)
        lines = [json.loads(line) for line in Keeper.kept]
    return [Line(it.pop("severity"), it) for it in lines if "event" in it]
