"""The words for what happened, by which logs are searched, counted and alerted on.

Belongs here: names alone. Log-based metrics, alert policies and docs/monitoring.md spell them too,
and tests hold them to this list.
"""

from enum import StrEnum


class Word(StrEnum):
    """What a line's field `event` may say."""

    MATERIALIZED = "materialized"
    CHECK_FAILED = "check_failed"
    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    RUN_CANCELED = "run_canceled"
    BATCH_FAILED = "batch_failed"
    TICK_FAILED = "tick_failed"
    HEARTBEAT = "heartbeat"
    ALERT = "alert"
    ALERT_UNDELIVERED = "alert_undelivered"
