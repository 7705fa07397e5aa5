"""Runs that have ended, however they did, read from Dagster's storage.

The process of a run may be gone before it could tell anything; what is in the storage was written
by whoever found it dead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, WILL_RETRY_TAG

from stock_platform.observability.failures import FailedBatch, events, why_failed
from stock_platform.observability.logging import usd
from stock_platform.quality.evaluations import run_evaluations

ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
# Of each output one, with what it cost; a materialization is told for each session.
_OUTPUTS: Final = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.HANDLED_OUTPUT}


@dataclass(frozen=True)
class FailedCheck:
    """An evaluation of a check that failed as an error."""

    asset: str
    name: str
    partition: str
    says: str


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended.

    Attributes:
        partition: the session, or the first and the last of a range.
        will_retry: whether Dagster starts it again by itself.
        error: why it failed.
        usd: what its assets say that they cost.
    """

    run_id: str
    job: str
    status: dg.DagsterRunStatus
    duration_s: float | None
    partition: str | None
    will_retry: bool
    error: str | None
    batch: FailedBatch | None
    usd: float | None

    @property
    def failed(self) -> bool:
        """Whether it failed; one that a person ended did not."""
        return self.status is dg.DagsterRunStatus.FAILURE


def ended_since(instance: dg.DagsterInstance, since: datetime, limit: int) -> Sequence[RunRecord]:
    """Runs that ended after a moment, the earliest first.

    Some ended before: Dagster moves a run's moment when it tags it.
    """
    found = instance.get_run_records(
        dg.RunsFilter(statuses=list(ENDED), updated_after=since.astimezone(UTC)),
        order_by="update_timestamp",
        ascending=True,
        limit=limit,
    )
    return [it for it in found if it.end_time is None or it.end_time > since.timestamp()]


def ended_run(instance: dg.DagsterInstance, record: RunRecord) -> EndedRun:
    """What is told of a run."""
    run = record.dagster_run
    error, batch = why_failed(instance, run.run_id) if run.is_failure else (None, None)
    return EndedRun(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status,
        duration_s=_duration(record),
        partition=partition(run.tags),
        will_retry=_will_retry(instance, run.tags),
        error=error,
        batch=batch,
        usd=_usd(instance, run.run_id),
    )


def failed_checks(instance: dg.DagsterInstance, record: RunRecord) -> tuple[FailedCheck, ...]:
    """The evaluations of a run that failed as errors."""
    return tuple(
        FailedCheck(it["Asset"], it["CheckName"], it["PartitionKey"], it["Description"])
        for it in run_evaluations(instance, record.dagster_run.run_id)
        if not it["Passed"] and it["Severity"] == dg.AssetCheckSeverity.ERROR.value
    )


def partition(tags: Mapping[str, str]) -> str | None:
    """The session of a run's tags, or the first and the last of its range."""
    first, last = (tags.get(f"dagster/asset_partition_range_{it}") for it in ("start", "end"))
    return f"{first}...{last}" if first and last else tags.get("dagster/partition")


def _will_retry(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> bool:
    """Whether Dagster starts a run again, or has.

    Its tag alone does not tell: runs of a backfill that is over are left as they are (1.13).
    """
    if tags.get(WILL_RETRY_TAG) != "true":
        return False
    if AUTO_RETRY_RUN_ID_TAG in tags or BACKFILL_ID_TAG not in tags:
        return True
    backfill = instance.get_backfill(tags[BACKFILL_ID_TAG])
    return backfill is not None and backfill.status not in BULK_ACTION_TERMINAL_STATUSES


def _duration(record: RunRecord) -> float | None:
    if record.start_time is None or record.end_time is None:
        return None
    return round(record.end_time - record.start_time, 3)


def _usd(instance: dg.DagsterInstance, run_id: str) -> float | None:
    outputs = events(instance, run_id, _OUTPUTS)
    costs = [usd(it.event_specific_data.metadata) for it in outputs]  # type: ignore[union-attr]
    known = [it for it in costs if it is not None]
    return round(sum(known), 6) if known else None
