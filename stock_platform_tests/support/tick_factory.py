"""Ticks, stored as the daemon stores them."""

from datetime import UTC, datetime

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

ERROR = SerializableErrorInfo("OSError: no route\n", [], "OSError")
NIGHTLY = ScheduleInstigatorData("0 2 * * *")


def add_tick(instance, name, due=None):
    """Start a tick of a sensor or, if it was due at a moment, of a schedule."""
    location = RegisteredCodeLocationOrigin("stock_platform")
    origin = RemoteRepositoryOrigin(location, "__repository__").get_instigator_origin(name)
    ids = origin.get_id(), origin.get_selector().get_id()
    kind = InstigatorType.SCHEDULE if due else InstigatorType.SENSOR
    if not instance.get_instigator_state(*ids):
        instance.add_instigator_state(
            InstigatorState(origin, kind, InstigatorStatus.RUNNING, NIGHTLY if due else None)
        )
    tick = TickData(
        instigator_origin_id=ids[0],
        instigator_name=name,
        instigator_type=kind,
        status=TickStatus.STARTED,
        timestamp=(due or datetime.now(UTC)).timestamp(),
        selector_id=ids[1],
    )
    return instance.create_tick(tick)


def fail_tick(instance, name, in_a_row=1, due=None):
    return fail_again(instance, add_tick(instance, name, due), in_a_row)


def fail_again(instance, tick, in_a_row):
    """Fail a tick that the scheduler repeats in place while the code server is unavailable."""
    failed = tick.with_status(TickStatus.FAILURE, error=ERROR, consecutive_failure_count=in_a_row)
    instance.update_tick(failed)
    return failed


def succeed(instance, tick):
    instance.update_tick(tick.with_status(TickStatus.SKIPPED, error=None))
