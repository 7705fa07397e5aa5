"""SQL dialects: GoogleSQL from sql/, transpiled by sqlglot.

Statements are transpiled when definitions load, so that errors surface before a run.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

import sqlglot
from sqlglot import exp

from stock_platform.contracts import TABLES, Table


@lru_cache(maxsize=256)
def duckdb_sql(google_sql: str) -> str:
    """Transpile a GoogleSQL statement to DuckDB's dialect.

    Raises:
        sqlglot.errors.SqlglotError: the statement is invalid or unsupported by DuckDB.
    """
    (statement,) = sqlglot.transpile(
        google_sql,
        read="bigquery",
        write="duckdb",
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    return statement


def view_sql(table: Table) -> str:
    """Return the GoogleSQL query of a view."""
    return (files(__package__) / "sql" / f"{table.name}.sql").read_text()


def qualified_view_sql(table: Table, project: str, dataset: str) -> str:
    """Return the query of a view with qualified table names, as BigQuery requires."""
    query = sqlglot.parse_one(view_sql(table), read="bigquery")
    for name in query.find_all(exp.Table):
        if name.name in TABLES:
            name.set("db", exp.to_identifier(dataset, quoted=True))
            name.set("catalog", exp.to_identifier(project, quoted=True))
    return query.sql(dialect="bigquery", pretty=True)


def rows_query(table: Table, sessions: Sequence[date] | None) -> tuple[str, dict[str, Any]]:
    """Return GoogleSQL and parameters that select some or all sessions, ordered by the key."""
    where, parameters = table.all_rows_predicate, {}
    if sessions is not None:
        where = f"{table.session_column} IN UNNEST(@sessions)"
        parameters = {"sessions": list(sessions)}
    columns, order = ", ".join(table.column_names), ", ".join(table.key)
    # Names come from the contract, values are parameters.
    return f"SELECT {columns} FROM {table.name} WHERE {where} ORDER BY {order}", parameters  # noqa: S608


def check_dialects() -> None:
    """Transpile every stored statement.

    Raises:
        sqlglot.errors.SqlglotError: a statement is invalid or unsupported by DuckDB.
    """
    for table in TABLES.values():
        if table.view:
            duckdb_sql(view_sql(table))
