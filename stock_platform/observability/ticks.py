"""Ticks of sensors and schedules that failed, read from Dagster's storage."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

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
    """Ticks that failed after a moment, a sensor's or schedule's earliest first.

    Of each the newest hundred. They are asked for one by one, as the storage's index is.
    """
    return [
        FailedTick(
            str(tick.tick_id),
            tick.instigator_name,
            summary(tick.error) if tick.error else "no reason was given",
            tick.consecutive_failure_count,
        )
        for state in instance.all_instigator_state()
        for tick in reversed(_newest(instance, state, since))
        if _ended(tick) > since.timestamp()
    ]


def begun(ticks: Sequence[FailedTick], told: Collection[str]) -> Iterator[FailedTick]:
    """The ticks that are not yet told and with which a sensor or schedule began to fail.

    Its first may be out of sight behind a hundred others, and a tick that Dagster repeats in place
    counts on without ever having been seen as the first. So the earliest that is seen begins, where
    none of the same is told.

    Args:
        ticks: that failed, the earliest first.
        told: IDs of those that were told.
    """
    failing = {it.instigator for it in ticks if it.tick_id in told}
    for tick in ticks:
        if tick.tick_id not in told and (tick.in_a_row <= 1 or tick.instigator not in failing):
            yield tick
        failing.add(tick.instigator)


def _newest(
    instance: dg.DagsterInstance, state: InstigatorState, since: datetime
) -> Sequence[InstigatorTick]:
    # A schedule's tick bears the moment that it was due at, which after an outage may be days ago;
    # a schedule has few. A sensor's bears the moment when it began.
    sensor = state.instigator_type is InstigatorType.SENSOR
    return instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        after=since.timestamp() if sensor else None,
        limit=_MOST,
        statuses=[TickStatus.FAILURE],
    )


def _ended(tick: InstigatorTick) -> float:
    return tick.tick_data.end_timestamp or tick.timestamp
