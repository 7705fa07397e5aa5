"""The sensors that watch: what happened becomes log lines and alerts, each minute.

They start no run, and each watches the other: a failed tick of one is told and alerted by the
other. Where nothing ticks any more, the missing heartbeat is what somebody outside must see.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from stock_platform.observability.alerts import Alert, JudgedRun, Place, alerts, message
from stock_platform.observability.delivery import AlertsResource, DeliveryError
from stock_platform.observability.news import Cursor, news
from stock_platform.observability.runs import ended_run, failed_checks
from stock_platform.observability.ticks import FailedTick
from stock_platform.observability.words import (
    Tell,
    tell_alert,
    tell_heartbeat,
    tell_run,
    tell_tick,
    tell_undelivered,
    teller,
)
from stock_platform.quality.measures.lake import newest_prices
from stock_platform.quality.rules.raw import Newest
from stock_platform.resources import LakeResource
from stock_platform.settings import Settings

Now = Callable[[], datetime]
_INTERVAL_S: Final = 60
# An hour of ticks; then only the log has what was to be said.
_ATTEMPTS: Final = 60


class AlertCursor(Cursor):
    """How far alerts went.

    Attributes:
        late: sessions whose lateness was told.
        lake_unread: whether it was told that the lake cannot be read.
        attempts: how often in a row what there is to tell was not taken.
    """

    late: frozenset[str] = frozenset()
    lake_unread: bool = False
    attempts: int = 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


def monitoring_sensors(settings: Settings, now: Now = _utc_now) -> list[dg.SensorDefinition]:
    """The sensors of a deployment, and the clock by which prices are late."""
    return [_heartbeat_sensor(settings, now), _alert_sensor(settings, now)]


def _heartbeat_sensor(settings: Settings, now: Now) -> dg.SensorDefinition:
    @dg.sensor(minimum_interval_seconds=_INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
    def heartbeat_sensor(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason:
        """A line for each run that ended and each tick that failed, and one for being alive."""
        tell = teller(context.instance)
        cursor = Cursor.model_validate_json(context.cursor) if context.cursor else Cursor.now()
        found = news(context.instance, cursor, ended_run)
        prices, unread = _prices(settings, lake, now())
        for run in found.runs:
            tell_run(tell, run)
        for tick in [*found.ticks, *unread]:
            tell_tick(tell, tick)
        tell_heartbeat(tell, context.instance, prices, now())
        context.update_cursor(found.cursor.model_dump_json())
        return dg.SkipReason(f"told: {len(found.runs)} runs ended, {len(found.ticks)} ticks failed")

    return heartbeat_sensor


def _alert_sensor(settings: Settings, now: Now) -> dg.SensorDefinition:
    place = Place(settings.deployment, str(settings.dagster_url))

    @dg.sensor(minimum_interval_seconds=_INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING)
    def alert_sensor(
        context: dg.SensorEvaluationContext, lake: LakeResource, alert_service: AlertsResource
    ) -> dg.SkipReason:
        """One message about all that went wrong, to the address of the deployment.

        What is not taken is tried again with the next tick, with what has happened since.
        """
        cursor = (
            AlertCursor.model_validate_json(context.cursor) if context.cursor else AlertCursor.now()
        )
        found = news(context.instance, cursor, _judged)
        prices, unread = _prices(settings, lake, now())
        ticks = [*found.begun, *([] if cursor.lake_unread else unread)]
        raised = alerts(
            place, found.runs, ticks, [it for it in prices.due if it not in cursor.late]
        )
        tell = teller(context.instance)
        if raised and not _delivered(tell, alert_service, raised, cursor.attempts + 1):
            tried = cursor.model_copy(update={"attempts": cursor.attempts + 1})
            context.update_cursor(tried.model_dump_json())
            return dg.SkipReason(f"not delivered, attempt {tried.attempts}")
        done = AlertCursor(
            since=found.cursor.since,
            seen=found.cursor.seen,
            all_until=found.cursor.all_until,
            late=cursor.late if unread else frozenset(prices.due),
            lake_unread=bool(unread),
        )
        context.update_cursor(done.model_dump_json())
        return dg.SkipReason(", ".join(it.subject for it in raised) or "nothing went wrong")

    return alert_sensor


def _judged(instance: dg.DagsterInstance, record: RunRecord) -> JudgedRun:
    return JudgedRun(ended_run(instance, record), failed_checks(instance, record))


def _prices(
    settings: Settings, lake: LakeResource, now: datetime
) -> tuple[Newest, list[FailedTick]]:
    """How new the prices are, by the rule of the check `fresh`.

    A lake that cannot be read keeps nothing else from being told.
    """
    try:
        found = newest_prices(
            lake.paths,
            settings.exchanges,
            (settings.start_date, settings.last_date),
            now,
            settings.quality,
        )
    except Exception as error:  # noqa: BLE001 - whatever a lake's client raises
        return Newest((), None), [FailedTick("lake", "lake", f"it cannot be read: {error}", 1)]
    return found, []


def _delivered(tell: Tell, service: AlertsResource, raised: Iterable[Alert], attempt: int) -> bool:
    """Whether nothing is left to do: it was taken, or was tried often enough."""
    raised = list(raised)
    try:
        service.deliver(*message(raised))
    except DeliveryError as error:
        tell_undelivered(tell, raised, str(error), attempt)
        return attempt >= _ATTEMPTS
    for alert in raised:
        tell_alert(tell, alert)
    return True
