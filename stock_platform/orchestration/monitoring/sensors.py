"""The two monitoring sensors: every minute, new events become log lines and alerts.

They launch no run. Each reports the failed ticks of the other. If neither ticks, the heartbeat is
missing, and only something outside of Dagster can notice that.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TypeVar

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from stock_platform.orchestration.monitoring.alerts import Alert, AlertSource, alerts, message
from stock_platform.orchestration.monitoring.event_feed import EventCursor, read_events
from stock_platform.orchestration.monitoring.event_log import EventLogger
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.notifications import AlertsResource, DeliveryError
from stock_platform.orchestration.monitoring.price_status import PriceStatus, read_price_status
from stock_platform.orchestration.resources import LakeResource
from stock_platform.settings import Settings

Clock = Callable[[], datetime]
_Cursor = TypeVar("_Cursor", bound=BaseModel)
_INTERVAL_S: Final = 60
# One hour of ticks. After that an alert is only in the log.
_MAX_ATTEMPTS: Final = 60


class AlertCursor(BaseModel):
    """The events that the alert sensor has reported.

    Attributes:
        events: The last events that were read.
        late_sessions: Sessions that were reported as late.
        lake_failed: True if an unreadable lake was reported.
        attempts: The number of consecutive failed deliveries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: EventCursor
    late_sessions: frozenset[str] = frozenset()
    lake_failed: bool = False
    attempts: int = 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


def monitoring_sensors(settings: Settings, now: Clock = _utc_now) -> list[dg.SensorDefinition]:
    """Return the sensors of a deployment; `now` decides which prices are late."""
    return [_heartbeat_sensor(settings, now), _alert_sensor(settings, now)]


def _heartbeat_sensor(settings: Settings, now: Clock) -> dg.SensorDefinition:
    @dg.sensor(minimum_interval_seconds=_INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
    def heartbeat_sensor(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason:
        """Logs a heartbeat, finished runs, failed ticks and failed backfills."""
        instance = context.instance
        log = EventLogger(instance)
        cursor = _parse(context.cursor, EventCursor) or EventCursor.at_present(instance)
        page = read_events(instance, cursor)
        prices = read_price_status(settings, lake, now())
        for run in page.runs:
            log.run_finished(run)
        for tick in [*page.ticks, *_lake_failure(prices)]:
            log.tick_failed(tick)
        for backfill in page.backfills:
            log.backfill_failed(backfill)
        queued, started = (
            instance.get_runs_count(dg.RunsFilter(statuses=statuses))
            for statuses in (
                [dg.DagsterRunStatus.QUEUED],
                [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
            )
        )
        log.heartbeat(prices, queued, started)
        context.update_cursor(page.cursor.model_dump_json())
        return dg.SkipReason(str(prices))

    return heartbeat_sensor


def _alert_sensor(settings: Settings, now: Clock) -> dg.SensorDefinition:
    source = AlertSource(settings.deployment, str(settings.dagster_url))

    @dg.sensor(minimum_interval_seconds=_INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
    def alert_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource, alert_service: AlertsResource
    ) -> dg.SkipReason:
        """Sends one message about all that went wrong to the deployment's address.

        An undelivered message is sent again by the next tick, together with newer events.
        """
        instance = context.instance
        cursor = _parse(context.cursor, AlertCursor) or AlertCursor(
            events=EventCursor.at_present(instance)
        )
        page = read_events(instance, cursor.events)
        prices = read_price_status(settings, lake, now())
        ticks = [*page.ticks, *([] if cursor.lake_failed else _lake_failure(prices))]
        late = [day for day in prices.late_sessions if day not in cursor.late_sessions]
        raised = alerts(source, page.runs, ticks, page.backfills, late)
        attempt = cursor.attempts + 1
        if raised and not _deliver_or_give_up(
            EventLogger(instance), alert_service, raised, attempt
        ):
            failed = cursor.model_copy(update={"attempts": attempt})
            context.update_cursor(failed.model_dump_json())
            return dg.SkipReason(f"Alerts were not delivered (attempt {attempt})")
        reported = AlertCursor(
            events=page.cursor,
            late_sessions=(
                cursor.late_sessions if prices.lake_error else frozenset(prices.late_sessions)
            ),
            lake_failed=prices.lake_error is not None,
        )
        context.update_cursor(reported.model_dump_json())
        return dg.SkipReason(", ".join(alert.subject for alert in raised) or "No alerts")

    return alert_sensor


def _parse(text: str | None, model: type[_Cursor]) -> _Cursor | None:
    """Return a stored cursor, or None if there is none or another version has stored it."""
    with suppress(ValidationError):
        return model.model_validate_json(text or "")
    return None


def _lake_failure(prices: PriceStatus) -> list[FailedTick]:
    """Report an unreadable lake like a failed tick, without failing the tick that noticed it."""
    if prices.lake_error is None:
        return []
    return [FailedTick("lake", f"it cannot be read: {prices.lake_error}", 1, newly_failing=True)]


def _deliver_or_give_up(
    log: EventLogger, service: AlertsResource, raised: Sequence[Alert], attempt: int
) -> bool:
    """Deliver alerts, and log the attempt.

    Returns:
        True if they were delivered or this was the last attempt, False if the next tick must try
        again.
    """
    try:
        service.deliver(*message(raised))
    except DeliveryError as error:
        log.alert_undelivered(raised, str(error), attempt)
        return attempt >= _MAX_ATTEMPTS
    for alert in raised:
        log.alert(alert)
    return True
