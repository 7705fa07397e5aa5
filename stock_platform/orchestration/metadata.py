"""Metadata in Dagster's UI: column schemas, previews of tables, and links.

Dagster's UI renders Markdown metadata, and the descriptions of events, checks and assets, as
Markdown, and its server executes a mutation that the address of an image requests. So data is shown
as tables and plain text, and never as Markdown or in a description. Metadata is small, because it
is stored with every materialization.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg

from stock_platform.contracts import Table
from stock_platform.plain_text import plain_text
from stock_platform.warehouse.interface import Load, Warehouse

_PREVIEW_ROWS: Final = 5


def dagster_schema(table: Table) -> dg.TableSchema:
    """Return the column schema of a table for Dagster's asset catalogue."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.documentation,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,)
                ),
                tags={"references": column.references} if column.references else {},
            )
            for column in table.columns
        ]
    )


def table_preview(warehouse: Warehouse, table: Table) -> dg.TableMetadataValue:
    """Return the first rows of a table, ordered by its key."""
    rows = warehouse.query(
        f"SELECT * FROM {table.name} WHERE {table.all_rows_predicate} "
        f"ORDER BY {', '.join(table.key)} LIMIT {_PREVIEW_ROWS}"
    )
    return rows_table(rows.to_pylist(), _column_types(table))


def session_metadata(
    warehouse: Warehouse, table: Table, sessions: Sequence[date]
) -> dict[date, dict[str, Any]]:
    """Return the number of rows and the first rows per session of a fact."""
    key = ", ".join(table.key)
    rows = warehouse.query(
        f"SELECT * FROM (SELECT *, COUNT(*) OVER (PARTITION BY {table.session_column}) AS RowsFound"
        f", ROW_NUMBER() OVER (PARTITION BY {table.session_column} ORDER BY {key}) AS RowInSession "
        f"FROM {table.name} WHERE {table.session_column} IN UNNEST(@sessions)) AS numbered "
        f"WHERE RowInSession <= {_PREVIEW_ROWS} ORDER BY {key}",
        {"sessions": list(sessions)},
    )
    found: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.to_pylist():
        found[row[table.session_column]].append(row)
    metadata: dict[date, dict[str, Any]] = {day: {"dagster/row_count": 0} for day in sessions}
    for day, first_rows in found.items():
        preview = [{name: row[name] for name in table.column_names} for row in first_rows]
        metadata[day] = {
            "dagster/row_count": first_rows[0]["RowsFound"],
            "preview": rows_table(preview, _column_types(table)),
        }
    return metadata


def rows_table(
    rows: Sequence[Mapping[str, Any]], schema: dg.TableSchema | None = None
) -> dg.TableMetadataValue:
    """Return rows as table metadata, with each value as plain text or a whole number.

    Args:
        rows: rows with equal columns; at least one if there is no schema.
        schema: the columns to show; by default those of the first row.
    """
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, schema)


def link(uri: str) -> dg.MetadataValue[str]:
    """Return a link to an object: Google's console for a bucket, else the file path."""
    if uri.startswith("gs://"):
        return dg.MetadataValue.url(uri.replace("gs://", "https://storage.cloud.google.com/", 1))
    return dg.MetadataValue.path(uri)


def load_metadata(load: Load) -> dict[str, Any]:
    """Return the metadata of a load as those of its run."""
    return {
        "run_rows_loaded": load.rows,
        "run_rows_replaced": load.replaced,
        **load.statistics,
    }


def batch_metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a Spark batch as those of its run, with addresses as links."""
    return {f"run_{name}": _linked(value) for name, value in facts.items() if value != ""}


def _linked(value: Any) -> Any:  # noqa: ANN401 - metadata is anything
    if not isinstance(value, str):
        return value
    if value.startswith("gs://"):
        return link(value)
    return dg.MetadataValue.url(value) if value.startswith("https://") else plain_text(value)


def _column_types(table: Table) -> dg.TableSchema:
    """Return names and types only, because descriptions are in the asset's definition."""
    return dg.TableSchema([dg.TableColumn(column.name, column.type) for column in table.columns])


def _cell(value: Any) -> str | int | None:  # noqa: ANN401 - any database value
    """Return a value for the UI's JSON, which has no NaN."""
    if value is None or isinstance(value, int):
        return value
    return plain_text(str(value).rstrip("\r\n"))
