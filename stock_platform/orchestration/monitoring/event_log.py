"""The log lines that the sensors write, one method per event.

Belongs here: events named in `event_names`. Those of a run's own process, materializations and
failed checks, are in `json_logs`.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import dagster as dg

from stock_platform.orchestration.monitoring.alerts import Alert
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform.orchestration.monitoring.failed_backfills import FailedBackfill
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.finished_runs import FinishedRun
from stock_platform.orchestration.monitoring.json_logs import FIELDS
from stock_platform.orchestration.monitoring.price_status import PriceStatus

_LOGGER: Final = logging.getLogger("stock_platform.orchestration.monitoring")
# Sensors are threads of the code server, and Python's logging configuration is not thread-safe.
_CONFIGURING: Final = threading.Lock()
_RUN_EVENTS: Final = {
    dg.DagsterRunStatus.SUCCESS: EventName.RUN_SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: EventName.RUN_FAILED,
    dg.DagsterRunStatus.CANCELED: EventName.RUN_CANCELED,
}


class EventLogger:
    """Logs events through the handlers that the instance's dagster.yaml names.

    If it names none, as on a laptop, warnings and errors go to the terminal.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        with _CONFIGURING:
            if not _LOGGER.handlers:
                _LOGGER.setLevel(logging.INFO)
                _LOGGER.handlers = list(instance.get_yaml_python_handlers())

    def run_finished(self, run: FinishedRun) -> None:
        """Log the end of a run, and the failed batch in it."""
        event = _RUN_EVENTS[run.status]
        level = logging.INFO
        if run.is_failed:
            level = logging.WARNING if run.will_retry else logging.ERROR
        fields = {
            "job": run.job,
            "run_id": run.run_id,
            "partition": run.partition,
            "will_retry": run.will_retry or None,
        }
        reason = f": {run.error}" if run.error else ""
        self._log(
            level,
            event,
            f"{run.job} {event.removeprefix('run_')}{reason}",
            **fields,
            duration_s=run.duration_s,
            usd=run.usd,
            error=run.error,
        )
        if run.batch:
            fields |= {"batch": run.batch.name, "error": run.batch.error}
            self._log(level, EventName.BATCH_FAILED, str(run.batch), **fields)

    def tick_failed(self, tick: FailedTick) -> None:
        """Log the newest failed tick of an instigator, or an unreadable lake."""
        self._log(
            logging.ERROR,
            EventName.TICK_FAILED,
            f"{tick.instigator} failed: {tick.error}",
            instigator=tick.instigator,
            in_a_row=tick.in_a_row,
            error=tick.error,
        )

    def backfill_failed(self, backfill: FailedBackfill) -> None:
        """Log a failed backfill."""
        self._log(
            logging.ERROR,
            EventName.BACKFILL_FAILED,
            f"backfill {backfill.backfill_id} failed: {backfill.error}",
            backfill=backfill.backfill_id,
            error=backfill.error,
        )

    def alert(self, alert: Alert) -> None:
        """Log an alert that was delivered, or that has no address to go to."""
        self._log(
            logging.WARNING, EventName.ALERT, alert.body, alert=alert.name, subject=alert.subject
        )

    def alert_undelivered(self, alerts: Sequence[Alert], reason: str, attempt: int) -> None:
        """Log a failed attempt to deliver alerts."""
        subjects = ", ".join(alert.subject for alert in alerts)
        message = f"attempt {attempt} to deliver {subjects} failed: {reason}"
        self._log(
            logging.ERROR, EventName.ALERT_UNDELIVERED, message, attempt=attempt, error=reason
        )

    def heartbeat(self, prices: PriceStatus, runs_queued: int, runs_started: int) -> None:
        """Log that daemon, code server and database work, and how fresh the prices are."""
        self._log(
            logging.INFO,
            EventName.HEARTBEAT,
            str(prices),
            sessions_late=None if prices.lake_error else len(prices.late_sessions),
            hours_late=prices.hours_late,
            newest_session=prices.newest_session,
            runs_queued=runs_queued,
            runs_started=runs_started,
        )

    def _log(self, level: int, event: EventName, message: str, **fields: Any) -> None:  # noqa: ANN401
        _LOGGER.log(level, message, extra={FIELDS: {"event": event, **fields}})
