"""GoogleSQL, read from sql/ and written into other dialects by sqlglot.

A statement that does not transpile raises here, when definitions load, and not in a run.
"""

from functools import lru_cache
from importlib.resources import files

import sqlglot

from stock_platform.contracts import TABLES, Table


@lru_cache(maxsize=256)
def duckdb_sql(google_sql: str) -> str:
    """A GoogleSQL statement in DuckDB's dialect.

    Raises:
        sqlglot.errors.SqlglotError: it does not parse, or DuckDB has no such thing.
    """
    (statement,) = sqlglot.transpile(
        google_sql,
        read="bigquery",
        write="duckdb",
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    return statement


def view_sql(table: Table) -> str:
    """The GoogleSQL query behind a view."""
    return (files(__package__) / "sql" / f"{table.name}.sql").read_text()


def check_dialects() -> None:
    """Transpile every stored statement.

    Raises:
        sqlglot.errors.SqlglotError: naming what does not transpile.
    """
    for table in TABLES.values():
        if table.view:
            duckdb_sql(view_sql(table))
