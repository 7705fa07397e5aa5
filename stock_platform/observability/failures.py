"""Why a run failed, read from its events in Dagster's storage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from stock_platform.observability.errors import chain, summary
from stock_platform.spark.batch import BatchFailedError

_FAILURES: Final = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
_MOST: Final = 100
# Dagster's words for a run whose process is gone; why it is gone is told just before.
_FOUND_DEAD: Final = "marked as failed from outside"
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


def why_failed(instance: dg.DagsterInstance, run_id: str) -> tuple[str | None, FailedBatch | None]:
    """The first error of a run, and the batch of the Spark job that failed in it."""
    errors = list(_errors(instance, run_id))
    batches = (batch for _, batch in errors if batch)
    return (errors[0][0] if errors else None), next(batches, None)


def events(
    instance: dg.DagsterInstance,
    run_id: str,
    types: set[dg.DagsterEventType],
    *,
    ascending: bool = True,
    limit: int = _MOST,
) -> list[dg.DagsterEvent]:
    """Some events of a run, by their types."""
    page = instance.get_records_for_run(run_id, None, types, limit, ascending)
    found = (it.event_log_entry.dagster_event for it in page.records)
    return [it for it in found if it]


def _errors(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[str, FailedBatch | None]]:
    """Why a run failed: its steps' errors first, for the run's own only names the steps."""
    failures = events(instance, run_id, _FAILURES)
    for event in sorted(failures, key=lambda it: not it.is_step_failure):
        error = getattr(event.event_specific_data, "error", None)
        if error:
            yield summary(error), _batch(error)
        elif _FOUND_DEAD in (event.message or ""):
            yield _last_words(instance, run_id), None
        else:
            yield event.message or "", None


def _last_words(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the code server, or who else found a process dead, said of it."""
    words = events(instance, run_id, {dg.DagsterEventType.ENGINE_EVENT}, ascending=False, limit=1)
    return next((it.message for it in words if it.message), "nobody said why")


def _batch(error: SerializableErrorInfo) -> FailedBatch | None:
    for cause in chain(error):
        told = _BATCH.search(cause.message)
        if cause.cls_name == BatchFailedError.__name__ and told:
            return FailedBatch(*told.groups())
    return None
