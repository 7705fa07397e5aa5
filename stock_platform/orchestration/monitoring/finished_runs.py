"""Finished runs, read from Dagster's storage.

The process of a run may die before it can report anything. The event that ends the run is stored
in any case, by the process itself or by whatever found it dead.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from stock_platform.orchestration.check_results.collect import run_check_results
from stock_platform.orchestration.dagster_internals.monitoring import (
    AUTO_RETRY_RUN_ID_TAG,
    WILL_RETRY_TAG,
)
from stock_platform.orchestration.monitoring.failure_reasons import (
    FailedBatch,
    failure_reason,
    run_events,
)
from stock_platform.orchestration.monitoring.json_logs import estimated_usd

# Failures first: after a long outage they are the most urgent.
_STATUS_BY_EVENT: Final = {
    dg.DagsterEventType.RUN_FAILURE: dg.DagsterRunStatus.FAILURE,
    dg.DagsterEventType.RUN_SUCCESS: dg.DagsterRunStatus.SUCCESS,
    dg.DagsterEventType.RUN_CANCELED: dg.DagsterRunStatus.CANCELED,
}
# One event per output. Range runs repeat the same cost in the materialization of every session.
_OUTPUT_EVENTS: Final = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.HANDLED_OUTPUT}
_MAX_EVENTS: Final = 500
# A sensor's tick may take a minute; the checks of a run over a year take a few seconds to read.
_READ_TIMEOUT_S: Final = 20
# PostgreSQL may commit an event after one with a higher storage id.
_COMMIT_TIMEOUT_S: Final = 5
# Dagster looks for runs to retry every five seconds.
_RETRY_DECISION_TIMEOUT_S: Final = 120


@dataclass(frozen=True)
class FailedCheck:
    """A check of severity ERROR that failed; `partition` is empty if the asset has none."""

    asset: str
    name: str
    partition: str
    description: str


@dataclass(frozen=True)
class FinishedRun:
    """A run that succeeded, failed or was canceled.

    Attributes:
        partition: The session, or the first and last session of a range.
        will_retry: True if Dagster has already started another attempt.
        error: The first error of a failed run.
        usd: The estimated cost of its assets.
        failed_checks: Failed checks of severity ERROR, whatever the status of the run.
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
    failed_checks: tuple[FailedCheck, ...] = ()

    @property
    def is_failed(self) -> bool:
        """True if the run failed; a canceled run did not."""
        return self.status is dg.DagsterRunStatus.FAILURE


def newest_run_events(instance: dg.DagsterInstance) -> dict[str, int]:
    """Return the storage id of the newest event that ended a run, by type of event."""
    newest = {}
    for event_type in _STATUS_BY_EVENT:
        page = instance.fetch_run_status_changes(event_type, limit=1).records
        newest[event_type.value] = page[0].storage_id if page else 0
    return newest


def read_finished_runs(
    instance: dg.DagsterInstance, after: Mapping[str, int]
) -> tuple[list[FinishedRun], dict[str, int]]:
    """Return the runs that finished after given events, oldest first, and the events read.

    A run that Dagster may still retry, and those that failed after it, are left for the next call,
    for two minutes at most. So are runs beyond a page, or beyond the time that a call may take.

    Args:
        instance: The instance whose storage is read.
        after: Storage ids of the last events that were read, by type of event.
    """
    deadline = time.monotonic() + _READ_TIMEOUT_S
    newest = newest_run_events(instance)
    # SQLite gives the ids of deleted events to new ones.
    reached = {name: min(after[name], newest_id) for name, newest_id in newest.items()}
    runs: dict[str, FinishedRun] = {}
    for event_type, status in _STATUS_BY_EVENT.items():
        events = _events_after(instance, event_type, reached[event_type.value])
        records = _run_records(instance, [event.run_id for event in events])
        for event in events:
            record = records.get(event.run_id)  # None if the run was deleted
            if record and _is_pending(instance, event, record.dagster_run):
                break
            # A run whose status differs has another final event.
            if record and record.dagster_run.status is status and event.run_id not in runs:
                runs[event.run_id] = _read_run(instance, record)
            reached[event_type.value] = event.storage_id
            if time.monotonic() > deadline:
                return list(runs.values()), reached
    return list(runs.values()), reached


def retry_pending(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether Dagster may still retry a run whose final event is stored.

    Dagster stores the event, then the run's status, then a tag with its intention, and then the tag
    of the next attempt. It does not keep every promise: it leaves runs of a finished backfill and
    of a removed job alone (1.13). A run that was not launched by the daemon is never retried.
    """
    if not run.is_finished:
        return True
    if not run.is_failure or AUTO_RETRY_RUN_ID_TAG in run.tags or run.remote_job_origin is None:
        return False
    default = "true" if instance.run_retries_enabled else "false"
    return run.tags.get(WILL_RETRY_TAG, default) == "true"


def _events_after(
    instance: dg.DagsterInstance, event_type: dg.DagsterEventType, storage_id: int
) -> Sequence[dg.EventLogRecord]:
    after = dg.RunStatusChangeRecordsFilter(event_type, after_storage_id=storage_id)  # type: ignore[arg-type]
    return instance.fetch_run_status_changes(after, limit=_MAX_EVENTS, ascending=True).records


def _run_records(
    instance: dg.DagsterInstance, run_ids: Sequence[str]
) -> Mapping[str, dg.RunRecord]:
    if not run_ids:
        return {}
    records = instance.get_run_records(dg.RunsFilter(run_ids=run_ids))
    return {record.dagster_run.run_id: record for record in records}


def _is_pending(instance: dg.DagsterInstance, event: dg.EventLogRecord, run: dg.DagsterRun) -> bool:
    age_s = time.time() - event.timestamp
    # After a clock was set back, events seem to come from the future. They are not pending.
    if not 0 <= age_s < _RETRY_DECISION_TIMEOUT_S:
        return False
    return age_s < _COMMIT_TIMEOUT_S or retry_pending(instance, run)


def _read_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> FinishedRun:
    run = record.dagster_run
    error, batch = failure_reason(instance, run.run_id) if run.is_failure else (None, None)
    return FinishedRun(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status,
        duration_s=_duration_s(record),
        partition=_partition(run.tags),
        will_retry=AUTO_RETRY_RUN_ID_TAG in run.tags and run.tags.get(WILL_RETRY_TAG) == "true",
        error=error,
        batch=batch,
        usd=_usd(instance, run.run_id),
        failed_checks=tuple(_failed_checks(instance, run.run_id)),
    )


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[FailedCheck]:
    for row in run_check_results(instance, run_id):
        if not row["Passed"] and row["Severity"] == dg.AssetCheckSeverity.ERROR.value:
            yield FailedCheck(
                row["Asset"], row["CheckName"], row["PartitionKey"], row["Description"]
            )


def _partition(tags: Mapping[str, str]) -> str | None:
    first, last = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return f"{first}...{last}" if first and last else tags.get("dagster/partition")


def _duration_s(record: dg.RunRecord) -> float | None:
    if record.start_time is None or record.end_time is None:
        return None
    return round(record.end_time - record.start_time, 3)


def _usd(instance: dg.DagsterInstance, run_id: str) -> float | None:
    outputs = run_events(instance, run_id, _OUTPUT_EVENTS)
    costs = [estimated_usd(event.event_specific_data.metadata) for event in outputs]  # type: ignore[union-attr]
    known = [usd for usd in costs if usd is not None]
    return round(sum(known), 6) if known else None
