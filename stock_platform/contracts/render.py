"""Render a contract as an Arrow schema, GoogleSQL or BigQuery schema."""

from typing import Final

import pyarrow as pa

from stock_platform.contracts import Column, Table

_ARROW_TYPES: Final[dict[str, pa.DataType]] = {
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "FLOAT64": pa.float64(),
    "INT64": pa.int64(),
    "STRING": pa.string(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, which is also its Parquet schema."""
    return pa.schema(
        pa.field(column.name, _ARROW_TYPES[column.type], nullable=column.nullable)
        for column in table.columns
    )


def create_table(table: Table) -> str:
    """Return the GoogleSQL that creates a missing table, with types and nullability only."""
    columns = ", ".join(
        f"`{column.name}` {column.type}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    )
    return f"CREATE TABLE IF NOT EXISTS `{table.name}` ({columns})"


def bigquery_schema(table: Table) -> list[dict[str, str]]:
    """Return the fields of a table in the format of BigQuery's API and Terraform."""
    from google.cloud import bigquery  # noqa: PLC0415 - heavy import

    def field(column: Column) -> bigquery.SchemaField:
        mode = "NULLABLE" if column.nullable or table.view else "REQUIRED"
        return bigquery.SchemaField(
            column.name, column.type, mode=mode, description=column.documentation
        )

    return [field(column).to_api_repr() for column in table.columns]
