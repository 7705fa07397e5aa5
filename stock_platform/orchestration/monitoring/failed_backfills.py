"""Failed backfills, read from Dagster's storage.

The daemon may give up a backfill before it has launched any run, so neither a run nor a tick
reports it. A backfill with failed runs is reported by these runs.
"""

from collections.abc import Set as AbstractSet
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
    """A backfill that the daemon gave up."""

    backfill_id: str
    error: str


def read_failed_backfills(
    instance: dg.DagsterInstance, reported: AbstractSet[str] = frozenset()
) -> tuple[list[FailedBackfill], frozenset[str]]:
    """Return the failed backfills that were not read before, and the ids to pass next time.

    Only the twenty that were created last are read. They are recognised by id, because a backfill
    may become visible after another one that failed later.

    Args:
        instance: The instance whose storage is read.
        reported: The ids that the last read returned.
    """
    failed = instance.get_backfills(
        BulkActionsFilter(statuses=[BulkActionStatus.FAILED]), limit=_MAX_BACKFILLS
    )
    backfills = [
        FailedBackfill(backfill.backfill_id, error_summary(backfill.error))
        for backfill in failed
        if backfill.backfill_id not in reported
    ]
    return backfills, frozenset(backfill.backfill_id for backfill in failed)
