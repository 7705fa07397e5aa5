"""Names of log events.

Log-based metrics, alert policies and docs/monitoring.md repeat these names; tests compare them.
"""

from enum import StrEnum


class EventName(StrEnum):
    """Values of the field `event` of a log line."""

    MATERIALIZED = "materialized"
    CHECK_FAILED = "check_failed"
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    RUN_CANCELED = "run_canceled"
    BATCH_FAILED = "batch_failed"
    TICK_FAILED = "tick_failed"
    BACKFILL_FAILED = "backfill_failed"
    HEARTBEAT = "heartbeat"
    ALERT = "alert"
    ALERT_UNDELIVERED = "alert_undelivered"
