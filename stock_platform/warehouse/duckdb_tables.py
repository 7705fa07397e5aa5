"""Operations on DuckDB tables within a connection, and their comparison with contracts.

Names come from the contracts and values are parameters, so SQL never contains outside text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from stock_platform.contracts import TABLES, Table
from stock_platform.contracts.render import create_table
from stock_platform.warehouse.interface import Load, WarehouseError, require_migrated
from stock_platform.warehouse.sql_dialect import duckdb_sql, view_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Temporary table with the rows of a load.
INCOMING: Final = "incoming_rows"
_CATALOGUE_SQL: Final = """
    SELECT 'TABLE ' || table_name, comment, NULL FROM duckdb_tables()
    UNION ALL SELECT 'VIEW ' || view_name, comment, sql FROM duckdb_views()
    UNION ALL SELECT 'COLUMN ' || table_name || '.' || column_name, comment, NULL
    FROM duckdb_columns()
"""


@dataclass(frozen=True)
class Scope:
    """The rows that a load replaces, selected by the values of a column."""

    column: str
    values: Sequence[Any]


def replace(connection: "DuckDBPyConnection", table: Table, scope: Scope | None) -> Load:
    """Delete the scope, insert the incoming rows and verify counts in the caller's transaction.

    Raises:
        WarehouseError: the incoming rows are not all in the scope.
    """
    columns = ", ".join(table.column_names)
    where, parameters = "", {}
    if scope is not None:
        where = f"WHERE {scope.column} IN (SELECT unnest($values))"
        parameters = {"values": list(scope.values)}
    ((replaced,),) = connection.execute(f"DELETE FROM {table.name} {where}", parameters).fetchall()
    ((inserted,),) = connection.execute(
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {INCOMING}"
    ).fetchall()
    ((present,),) = connection.execute(
        f"SELECT COUNT(*) FROM {table.name} {where}", parameters
    ).fetchall()
    if inserted != present:
        raise WarehouseError(
            f"{table.name}: found {inserted} rows in the input and {present} in the replaced "
            "scope; nothing was changed"
        )
    return Load(rows=present, replaced=replaced)


def create_tables(connection: "DuckDBPyConnection") -> None:
    """Create missing tables of the contracts, replace their views, and update all comments."""
    for table in TABLES.values():
        if not table.view:
            require_migrated(table, described(connection, table))
            connection.execute(duckdb_sql(create_table(table)))
    for table in TABLES.values():
        if table.view:
            query = duckdb_sql(view_sql(table))
            connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {query}")
    _write_comments(connection)


def has_tables(connection: "DuckDBPyConnection") -> bool:
    """Whether `create_tables` would change nothing."""
    return _new_catalogue() <= _catalogue(connection)


@cache
def _new_catalogue() -> frozenset[tuple[str, ...]]:
    import duckdb  # noqa: PLC0415 - heavy import

    with duckdb.connect(":memory:") as empty:
        create_tables(empty)
        return _catalogue(empty)


def _catalogue(connection: "DuckDBPyConnection") -> frozenset[tuple[str, ...]]:
    """Return the name and comment of each table, view and column, and the SQL of each view."""
    return frozenset(connection.execute(_CATALOGUE_SQL).fetchall())


def _write_comments(connection: "DuckDBPyConnection") -> None:
    """Comment tables, views and columns with the descriptions of the contracts, where they differ.

    A column that the database lacks is skipped: `differences` reports it.
    """
    wanted: dict[str, str] = {}
    for table in TABLES.values():
        wanted[f"{'VIEW' if table.view else 'TABLE'} {table.name}"] = table.description
        for column in table.columns:
            wanted[f"COLUMN {table.name}.{column.name}"] = column.documentation
    for target, comment, _ in _catalogue(connection):
        if comment != wanted.get(target, comment):
            literal = exp.Literal.string(wanted[target]).sql(dialect="duckdb")
            connection.execute(f"COMMENT ON {target} IS {literal}")


def differences(connection: "DuckDBPyConnection", table: Table) -> list[str]:
    """Compare a table with its contract. DuckDB has no partitioning and clustering to compare."""
    import duckdb  # noqa: PLC0415 - heavy import

    with duckdb.connect(":memory:") as empty:
        empty.execute(duckdb_sql(create_table(table)))
        wanted = described(empty, table)
    given = described(connection, table)
    if not given:
        return ["the table does not exist"]
    return [
        f"{name}: {given.get(name, 'missing')}, expected {wanted.get(name, 'no such column')}"
        for name in dict.fromkeys([*wanted, *given])
        if wanted.get(name) != given.get(name)
    ]


def described(connection: "DuckDBPyConnection", table: Table) -> dict[str, str]:
    """Return the type per column, with nullability unless the table is a view."""
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE table_name = $table ORDER BY column_index",
        {"table": table.name},
    ).fetchall()
    return {
        name: kind if nullable or table.view else f"{kind} NOT NULL"
        for name, kind, nullable in rows
    }
