"""Failed backfills, read from Dagster's storage.

The daemon may give up a backfill before it has launched any run, so neither a run nor a tick
reports it. A backfill with failed runs is reported by these runs.
"""

from dataclasses import dataclass
from typing import Final

import dagster as dg

from stock_platform.orchestration.dagster_internals.monitoring import (
    BulkActionsFilter,
    BulkActionStatus,
)
from stock_platform.orchestration.monitoring.failure_reasons import error_summary

_MAX_BACKFILLS: Final = 20


@dataclass(frozen=True)
class FailedBackfill:
    """A backfill that the daemon gave up at a moment, in seconds since 1970."""

    backfill_id: str
    error: str
    failed_at: float


def read_failed_backfills(instance: dg.DagsterInstance, after: float) -> list[FailedBackfill]:
    """Return the backfills that failed after a moment, of the newest twenty failed ones."""
    failed = instance.get_backfills(
        BulkActionsFilter(statuses=[BulkActionStatus.FAILED]), limit=_MAX_BACKFILLS
    )
    backfills = (
        FailedBackfill(
            backfill.backfill_id,
            error_summary(backfill.error),
            backfill.backfill_end_timestamp or backfill.backfill_timestamp,
        )
        for backfill in failed
    )
    return [backfill for backfill in backfills if backfill.failed_at > after]
