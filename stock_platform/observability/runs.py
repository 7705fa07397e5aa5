"""Runs that have ended, however they did, read from Dagster's storage.

The process of a run may be gone before it could tell anything; what is in the storage was written
by whoever found it dead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

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
# Dagster looks for runs to start again every five seconds. Shorter than `news` looks back, or a run
# that was left for later would be out of sight by then.
_GRACE: Final = timedelta(minutes=2)


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
        will_retry: whether Dagster has started it again by itself.
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
    """Runs that ended or were tagged after a moment, the earliest first."""
    return instance.get_run_records(
        dg.RunsFilter(statuses=list(ENDED), updated_after=since.astimezone(UTC)),
        order_by="update_timestamp",
        ascending=True,
        limit=limit,
    )


def undecided(instance: dg.DagsterInstance, record: RunRecord) -> bool:
    """Whether Dagster may yet start a failed run again.

    It says so in a tag, just after the end; but what no daemon launched it cannot start again, and
    runs of a backfill that is over, or of a job that is gone, it leaves as they are (1.13).
    """
    run = record.dagster_run
    if not run.is_failure or AUTO_RETRY_RUN_ID_TAG in run.tags or run.remote_job_origin is None:
        return False
    promised = run.tags.get(WILL_RETRY_TAG, "true" if instance.run_retries_enabled else "false")
    ended = datetime.fromtimestamp(record.end_time or 0, UTC)
    return promised == "true" and datetime.now(UTC) - ended < _GRACE


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
        will_retry=_retried(run.tags),
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


def _retried(tags: Mapping[str, str]) -> bool:
    """Whether Dagster has started a run again, and did not fail at that."""
    return AUTO_RETRY_RUN_ID_TAG in tags and tags.get(WILL_RETRY_TAG) == "true"


def _duration(record: RunRecord) -> float | None:
    if record.start_time is None or record.end_time is None:
        return None
    return round(record.end_time - record.start_time, 3)


def _usd(instance: dg.DagsterInstance, run_id: str) -> float | None:
    outputs = events(instance, run_id, _OUTPUTS)
    costs = [usd(it.event_specific_data.metadata) for it in outputs]  # type: ignore[union-attr]
    known = [it for it in costs if it is not None]
    return round(sum(known), 6) if known else None
