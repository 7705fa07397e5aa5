"""Ticks of sensors and schedules that failed, read from Dagster's storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus

from stock_platform.observability.errors import summary

_MOST: Final = 100


@dataclass(frozen=True)
class FailedTick:
    """A tick that failed.

    Attributes:
        tick_id: of the storage.
        instigator: the sensor or schedule.
        error: why.
        in_a_row: how many of its ticks have failed since the last that did not.
    """

    tick_id: str
    instigator: str
    error: str
    in_a_row: int


def failed_since(instance: dg.DagsterInstance, since: datetime) -> Sequence[FailedTick]:
    """Failed ticks that began after a moment; asked for by sensor, as the storage's index is."""
    return [
        FailedTick(
            str(tick.tick_id),
            tick.instigator_name,
            summary(tick.error) if tick.error else "no reason was given",
            tick.consecutive_failure_count,
        )
        for state in instance.all_instigator_state()
        for tick in instance.get_ticks(
            state.instigator_origin_id,
            state.selector_id,
            after=since.timestamp(),
            limit=_MOST,
            statuses=[TickStatus.FAILURE],
        )
    ]
