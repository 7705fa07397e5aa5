"""Failed ticks of sensors and schedules, read from Dagster's storage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dagster as dg

from stock_platform.orchestration.dagster_internals.monitoring import (
    InstigatorState,
    InstigatorTick,
    TickStatus,
)
from stock_platform.orchestration.monitoring.failure_reasons import error_summary

_SUCCEEDED: Final = (TickStatus.SUCCESS, TickStatus.SKIPPED)
# Storage returns ticks that are strictly later than a moment.
_JUST_BEFORE_S: Final = 0.001


@dataclass(frozen=True)
class FailedTick:
    """A failed tick.

    Attributes:
        instigator: The sensor or schedule.
        error: The first line of the root cause.
        in_a_row: The number of consecutive failures, this one included.
        newly_failing: True if this is the first failure that was read, or a tick has succeeded
            since the last one.
    """

    instigator: str
    error: str
    in_a_row: int
    newly_failing: bool


def past_failures(instance: dg.DagsterInstance) -> dict[str, float]:
    """Return the newest failed tick's timestamp of each recovered instigator, by selector id.

    A sensor or schedule that is still failing is left out, so that its failure is read next.
    """
    failures = {}
    for state in instance.all_instigator_state():
        tick = _newest_tick(instance, state, TickStatus.FAILURE, after=0.0)
        if tick and (
            not state.is_running or _newest_tick(instance, state, *_SUCCEEDED, after=tick.timestamp)
        ):
            failures[state.selector_id] = tick.timestamp
    return failures


def read_failed_ticks(
    instance: dg.DagsterInstance, after: Mapping[str, float]
) -> tuple[list[FailedTick], dict[str, float]]:
    """Return the newest failed tick per sensor and schedule, unless it was read before.

    Ticks are identified by their timestamp: the start of a sensor's tick, or the moment at which a
    schedule's tick was due, which may be days before it ran. While Dagster cannot reach the code,
    it repeats a schedule's tick in place; such a tick is read once.

    Args:
        instance: The instance whose storage is read.
        after: Timestamps of the ticks that were read last, by selector id of the instigator.
            They are returned with those that were read now.
    """
    failed, reached = [], dict(after)
    for state in instance.all_instigator_state():
        last = after.get(state.selector_id, 0.0)
        tick = _newest_tick(instance, state, TickStatus.FAILURE, after=last)
        if tick:
            reached[state.selector_id] = tick.timestamp
            # From the last failure on, because a repeated tick may have succeeded in the end.
            success = _newest_tick(
                instance,
                state,
                *_SUCCEEDED,
                after=last - _JUST_BEFORE_S,
                before=tick.timestamp,
            )
            failed.append(
                FailedTick(
                    tick.instigator_name,
                    error_summary(tick.error),
                    tick.consecutive_failure_count,
                    newly_failing=not last or success is not None,
                )
            )
    return failed, reached


def _newest_tick(
    instance: dg.DagsterInstance,
    state: InstigatorState,
    *statuses: TickStatus,
    after: float,
    before: float | None = None,
) -> InstigatorTick | None:
    ticks = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        before,
        after,
        limit=1,
        statuses=list(statuses),
    )
    return ticks[0] if ticks else None
