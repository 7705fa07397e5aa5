"""Incremental feed of Dagster events: each event exactly once per cursor."""

from dataclasses import dataclass
from typing import Self

import dagster as dg
from pydantic import BaseModel, ConfigDict

from stock_platform.orchestration.monitoring.failed_backfills import (
    FailedBackfill,
    read_failed_backfills,
)
from stock_platform.orchestration.monitoring.failed_ticks import (
    FailedTick,
    past_failures,
    read_failed_ticks,
)
from stock_platform.orchestration.monitoring.finished_runs import (
    FinishedRun,
    newest_run_events,
    read_finished_runs,
)


class EventCursor(BaseModel):
    """The last events that were read.

    Attributes:
        run_events: Storage ids of events that ended a run, by type of event.
        failed_ticks: Timestamps of failed ticks, by selector id of the sensor or schedule.
        failed_backfills: Ids of the newest failed backfills.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_events: dict[str, int]
    failed_ticks: dict[str, float]
    failed_backfills: frozenset[str]

    @classmethod
    def at_present(cls, instance: dg.DagsterInstance) -> Self:
        """Return a cursor after everything that an instance contains.

        Instigators that fail at present are not skipped: they are reported as newly failing.
        """
        _, failed_backfills = read_failed_backfills(instance)
        return cls(
            run_events=newest_run_events(instance),
            failed_ticks=past_failures(instance),
            failed_backfills=failed_backfills,
        )


@dataclass(frozen=True)
class EventPage:
    """Events after a cursor, and the cursor after them."""

    runs: list[FinishedRun]
    ticks: list[FailedTick]
    backfills: list[FailedBackfill]
    cursor: EventCursor


def read_events(instance: dg.DagsterInstance, cursor: EventCursor) -> EventPage:
    """Read the next events after a cursor."""
    runs, run_events = read_finished_runs(instance, cursor.run_events)
    ticks, failed_ticks = read_failed_ticks(instance, cursor.failed_ticks)
    backfills, failed_backfills = read_failed_backfills(instance, cursor.failed_backfills)
    reached = EventCursor(
        run_events=run_events,
        failed_ticks=failed_ticks,
        failed_backfills=failed_backfills,
    )
    return EventPage(runs, ticks, backfills, reached)
