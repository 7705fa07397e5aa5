"""Why a run failed, read from its events in Dagster's storage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import dagster as dg

from stock_platform.orchestration.dagster_internals.monitoring import SerializableErrorInfo
from stock_platform.spark.batch import BatchFailedError

_FAILURE_EVENTS: Final = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
_MAX_EVENTS: Final = 100
_MAX_ERROR_CHARS: Final = 500
# Dagster's message for a run whose process no longer exists. The event before it says why.
_MARKED_FAILED: Final = "marked as failed from outside"
_BATCH_FAILED: Final = re.compile(r"Batch (\S+) failed: (.*)")


@dataclass(frozen=True)
class FailedBatch:
    """A failed batch of the Spark job."""

    name: str
    error: str

    def __str__(self) -> str:
        return f"batch {self.name} failed: {self.error}"


def failure_reason(
    instance: dg.DagsterInstance, run_id: str
) -> tuple[str | None, FailedBatch | None]:
    """Return the first error of a run, and the batch of the Spark job that failed in it."""
    errors = list(_errors(instance, run_id))
    batches = (batch for _, batch in errors if batch)
    return (errors[0][0] if errors else None), next(batches, None)


def run_events(
    instance: dg.DagsterInstance,
    run_id: str,
    types: set[dg.DagsterEventType],
    *,
    ascending: bool = True,
    limit: int = _MAX_EVENTS,
) -> list[dg.DagsterEvent]:
    """Return the events of a run that have one of the types."""
    page = instance.get_records_for_run(run_id, None, types, limit, ascending)
    events = (record.event_log_entry.dagster_event for record in page.records)
    return [event for event in events if event]


def error_summary(error: SerializableErrorInfo | None) -> str:
    """Return the first line of the root cause: Dagster's own errors only say where it happened."""
    if error is None:
        return "no reason was recorded"
    *_, root = _causes(error)
    lines = root.message.strip().splitlines()
    return lines[0][:_MAX_ERROR_CHARS] if lines else str(root.cls_name)


def _causes(error: SerializableErrorInfo) -> Iterator[SerializableErrorInfo]:
    """Yield an error and the errors that it was raised from, the root last."""
    cause: SerializableErrorInfo | None = error
    while cause is not None:
        yield cause
        cause = cause.cause


def _errors(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str, FailedBatch | None]]:
    """Yield the errors of a run, those of steps first: the run's own only names the steps."""
    failures = run_events(instance, run_id, _FAILURE_EVENTS)
    for event in sorted(failures, key=lambda event: not event.is_step_failure):
        error = getattr(event.event_specific_data, "error", None)
        if error:
            yield error_summary(error), _failed_batch(error)
        elif _MARKED_FAILED in (event.message or ""):
            yield _last_engine_message(instance, run_id), None
        else:
            yield event.message or "", None


def _last_engine_message(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the message that the code server or run monitoring recorded about a dead process."""
    engine = {dg.DagsterEventType.ENGINE_EVENT}
    events = run_events(instance, run_id, engine, ascending=False, limit=1)
    return next((event.message for event in events if event.message), "no reason was recorded")


def _failed_batch(error: SerializableErrorInfo) -> FailedBatch | None:
    for cause in _causes(error):
        match = _BATCH_FAILED.search(cause.message)
        if cause.cls_name == BatchFailedError.__name__ and match:
            return FailedBatch(*match.groups())
    return None
