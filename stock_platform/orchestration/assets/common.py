"""Shared definitions of assets: owners, descriptions and metadata of tables, sessions of a run."""

from typing import Any, Final

import dagster as dg

from stock_platform.contracts import Table
from stock_platform.orchestration.metadata import dagster_schema
from stock_platform.orchestration.partitions import NotATradingDayError, require_sessions

_PARTITION_TAGS: Final = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)

OWNERS: Final = ["team:market-data"]
# The attribute of a log record that reports progress: how many of how many are done.
PROGRESS: Final = "progress"


def table_description(table: Table) -> str:
    """Return the description of a table in the asset catalogue."""
    return f"{table.description} Grain: {table.grain}. Key: {', '.join(table.key)}."


def table_metadata(table: Table) -> dict[str, Any]:
    """Return the definition metadata of a warehouse table: its name and columns."""
    return {"dagster/table_name": table.name, "dagster/column_schema": dagster_schema(table)}


def session_keys(
    context: dg.AssetExecutionContext, days: dg.TimeWindowPartitionsDefinition
) -> list[str]:
    """Return the sessions of a run, ascending.

    The requested days are read from the run's tags: for a day that is not a trading day, Dagster
    itself would silently use the next trading day.

    Raises:
        NotATradingDayError: the run requests a day that is not a trading day.
    """
    named = [context.run.tags[tag] for tag in _PARTITION_TAGS if tag in context.run.tags]
    require_sessions(days, named)
    keys = sorted(context.partition_keys)
    if not keys:
        raise NotATradingDayError(f"Invalid range {'...'.join(named)}: the start is after the end")
    return keys
