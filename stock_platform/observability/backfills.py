"""Backfills that the daemon gave up, read from Dagster's storage.

It may do so before it has asked for any run, so that neither a run nor a tick tells of it. One
whose runs failed is told by them.
"""

from datetime import datetime
from typing import Final

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from stock_platform.observability.errors import summary
from stock_platform.observability.ticks import FailedTick

_MOST: Final = 20


def given_up_since(instance: dg.DagsterInstance, since: datetime) -> list[FailedTick]:
    """Backfills that were given up after a moment, of the newest twenty that ever were.

    They count as ticks of one that starts runs: what they would have started has not run.
    """
    failed = instance.get_backfills(
        BulkActionsFilter(statuses=[BulkActionStatus.FAILED]), limit=_MOST
    )
    return [
        FailedTick(
            f"backfill {it.backfill_id}",
            "backfill",
            f"{it.backfill_id}: {summary(it.error) if it.error else 'no reason was given'}",
            1,
        )
        for it in failed
        if (it.backfill_end_timestamp or it.backfill_timestamp) > since.timestamp()
    ]
