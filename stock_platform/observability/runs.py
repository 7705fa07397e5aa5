"""Runs that have ended, however they did, read from Dagster's storage.

The process of a run may be gone before it could tell anything; what is in the storage was written
by whoever found it dead.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo

from stock_platform.observability.errors import chain, summary
from stock_platform.observability.logging import usd
from stock_platform.quality.evaluations import run_evaluations
from stock_platform.spark.batch import BatchFailedError

ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_FAILURES: Final = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
# Of each output one, with what it cost; a materialization is told for each session.
_OUTPUTS: Final = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.HANDLED_OUTPUT}
_MOST_EVENTS: Final = 100
_BATCH: Final = re.compile(r"Batch (\S+) failed: (.*)")


@dataclass(frozen=True)
class FailedBatch:
    """A batch of the Spark job that did not succeed."""

    name: str
    error: str

    @property
    def says(self) -> str:
        """Which, and why."""
        return f"batch {self.name} failed: {self.error}"


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
    errors = list(_errors(instance, run.run_id)) if run.is_failure else []
    return EndedRun(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status,
        duration_s=_duration(record),
        partition=partition(run.tags),
        will_retry=run.tags.get(WILL_RETRY_TAG) == "true",
        error=errors[0][0] if errors else None,
        batch=next((batch for _, batch in errors if batch), None),
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


def _duration(record: RunRecord) -> float | None:
    if record.start_time is None or record.end_time is None:
        return None
    return round(record.end_time - record.start_time, 3)


def _errors(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str, FailedBatch | None]]:
    """Why a run failed: its steps' errors first, for the run's own only names the steps."""
    page = instance.get_records_for_run(run_id, of_type=_FAILURES, limit=_MOST_EVENTS)
    events = [it.event_log_entry.dagster_event for it in page.records]
    for event in sorted((it for it in events if it), key=lambda it: not it.is_step_failure):
        error = getattr(event.event_specific_data, "error", None)
        yield (summary(error), _batch(error)) if error else (event.message or "", None)


def _batch(error: SerializableErrorInfo) -> FailedBatch | None:
    for cause in chain(error):
        told = _BATCH.search(cause.message)
        if cause.cls_name == BatchFailedError.__name__ and told:
            return FailedBatch(*told.groups())
    return None


def _usd(instance: dg.DagsterInstance, run_id: str) -> float | None:
    page = instance.get_records_for_run(run_id, of_type=_OUTPUTS, limit=_MOST_EVENTS)
    events = [it.event_log_entry.dagster_event for it in page.records]
    costs = [usd(it.event_specific_data.metadata) for it in events if it]  # type: ignore[union-attr]
    known = [it for it in costs if it is not None]
    return round(sum(known), 6) if known else None
