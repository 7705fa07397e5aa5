"""What the assets say in common: owners, groups, and how a table describes itself."""

from typing import Any, Final

import dagster as dg

from stock_platform.contracts import Table
from stock_platform.contracts.render import dagster_schema
from stock_platform.partitions import NotASessionError, require_sessions

_PARTITION_TAGS: Final = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)

OWNERS: Final = ["team:market-data"]


def table_description(table: Table) -> str:
    """What the asset catalogue says of a table."""
    return f"{table.description} Grain: {table.grain}. Key: {', '.join(table.key)}."


def table_metadata(table: Table) -> dict[str, Any]:
    """Definition metadata of a warehouse table: its name, and its columns by contract."""
    return {"dagster/table_name": table.name, "dagster/column_schema": dagster_schema(table)}


def session_keys(
    context: dg.AssetExecutionContext, days: dg.TimeWindowPartitionsDefinition
) -> list[str]:
    """The sessions of a run, ascending.

    A run's tags may name a day that is no session: Dagster then hands out the next one's key,
    so what was asked for is read from the tags.

    Raises:
        NotASessionError: the run names a day that is none.
    """
    named = [context.run.tags[tag] for tag in _PARTITION_TAGS if tag in context.run.tags]
    require_sessions(days, named)
    keys = sorted(context.partition_keys)
    if not keys:
        raise NotASessionError(f"{' ... '.join(named)} names no session: its ends are reversed")
    return keys
