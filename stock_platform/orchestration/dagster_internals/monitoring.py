"""Private names of Dagster 1.13 that monitoring reads its storage with.

They have no public name. The tests in `stock_platform_tests/unit/orchestration/monitoring/` store
runs, ticks and backfills with Dagster's own classes, so a change of these names fails there.
"""

from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster_shared.error import SerializableErrorInfo

__all__ = [
    "AUTO_RETRY_RUN_ID_TAG",
    "WILL_RETRY_TAG",
    "BulkActionStatus",
    "BulkActionsFilter",
    "InstigatorState",
    "InstigatorTick",
    "SerializableErrorInfo",
    "TickStatus",
]
