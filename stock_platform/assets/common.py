"""What the assets say in common: owners, groups, and how a table describes itself."""

from typing import Any, Final

import dagster as dg

from stock_platform.contracts import Table
from stock_platform.contracts.render import dagster_schema

OWNERS: Final = ["team:market-data"]


def table_description(table: Table) -> str:
    """What the asset catalogue says of a table."""
    return f"{table.description} Grain: {table.grain}. Key: {', '.join(table.key)}."


def table_metadata(table: Table) -> dict[str, Any]:
    """Definition metadata of a warehouse table: its name, and its columns by contract."""
    return {"dagster/table_name": table.name, "dagster/column_schema": dagster_schema(table)}


def session_keys(context: dg.AssetExecutionContext) -> list[str]:
    """The sessions of a run, ascending.

    A run's time window also covers holidays; only its keys are sessions.
    """
    return sorted(context.partition_keys)
