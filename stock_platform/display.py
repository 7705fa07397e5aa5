"""Metadata values that a person reads in Dagster's UI: previews of tables, and links.

Dagster's UI renders Markdown metadata and every description of an event, check or asset as
Markdown, and its server runs a mutation that an image's address asks for. So data is shown as
tables and as text, which the UI shows as they are, and never as Markdown or in a description.
Small on purpose: metadata is stored with every materialization.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg

from stock_platform.contracts import Table
from stock_platform.plain_text import plain_text
from stock_platform.warehouse.port import Warehouse

_PREVIEW_ROWS: Final = 5


def table_preview(warehouse: Warehouse, table: Table) -> dg.TableMetadataValue:
    """The first rows of a table in the order of its key."""
    rows = warehouse.query(
        f"SELECT * FROM {table.name} WHERE {table.all_rows_predicate} "
        f"ORDER BY {', '.join(table.key)} LIMIT {_PREVIEW_ROWS}"
    )
    return rows_table(rows.to_pylist(), _schema(table))


def session_previews(
    warehouse: Warehouse, table: Table, sessions: Sequence[date]
) -> dict[date, dg.TableMetadataValue]:
    """The first rows of each session of a fact that has any."""
    key = ", ".join(table.key)
    rows = warehouse.query(
        f"SELECT * EXCEPT (RowInSession) FROM (SELECT *, ROW_NUMBER() OVER "
        f"(PARTITION BY {table.session_column} ORDER BY {key}) AS RowInSession "
        f"FROM {table.name} WHERE {table.session_column} IN UNNEST(@sessions)) AS numbered "
        f"WHERE RowInSession <= {_PREVIEW_ROWS} ORDER BY {key}",
        {"sessions": list(sessions)},
    )
    by_session: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.to_pylist():
        by_session[row[table.session_column]].append(row)
    return {day: rows_table(found, _schema(table)) for day, found in by_session.items()}


def rows_table(
    rows: Sequence[Mapping[str, Any]], schema: dg.TableSchema | None = None
) -> dg.TableMetadataValue:
    """Rows of the same columns as a table, each value as plain text or a whole number.

    Args:
        rows: at least one, where no schema is given.
        schema: the columns that are shown; without one, those of the first row.
    """
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, schema)


def link(uri: str) -> dg.MetadataValue[str]:
    """Where a person opens an object: Google's console for a bucket, else the file."""
    if uri.startswith("gs://"):
        return dg.MetadataValue.url(uri.replace("gs://", "https://storage.cloud.google.com/", 1))
    return dg.MetadataValue.path(uri)


def batch_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an engine tells of a run's batch, addresses as links."""
    return {f"run_{name}": _linked(value) for name, value in facts.items() if value != ""}


def _linked(value: Any) -> Any:  # noqa: ANN401 - metadata is anything
    if not isinstance(value, str):
        return value
    if value.startswith("gs://"):
        return link(value)
    return dg.MetadataValue.url(value) if value.startswith("https://") else plain_text(value)


def _schema(table: Table) -> dg.TableSchema:
    """The names and types alone: descriptions are in the asset's definition."""
    return dg.TableSchema([dg.TableColumn(column.name, column.type) for column in table.columns])


def _cell(value: Any) -> str | int | None:  # noqa: ANN401 - whatever an engine returns
    """A value for the UI's JSON, which has no NaN."""
    if value is None or isinstance(value, int):
        return value
    return plain_text(str(value).rstrip("\r\n"))
