"""What happens to DuckDB tables inside a transaction, and how they are compared with contracts.

Names come from the contracts and values are parameters, so no text from outside is in SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stock_platform.contracts import Table
from stock_platform.contracts.render import create_table
from stock_platform.warehouse.port import Load, WarehouseError
from stock_platform.warehouse.statements import duckdb_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a load brings, for the time of its connection.
INCOMING: Final = "incoming_rows"


@dataclass(frozen=True)
class Scope:
    """The rows that a load replaces: those whose column has one of the values."""

    column: str
    values: Sequence[Any]


def replace(
    connection: "DuckDBPyConnection",
    table: Table,
    scope: Scope | None,
    expected_rows: int,
) -> Load:
    """Delete, insert the incoming rows and count, inside the caller's transaction.

    Names come from the contract and values are parameters, so no text from outside is in SQL.
    """
    _require_contract(connection, table)
    columns = ", ".join(table.column_names)
    where, parameters = "", {}
    if scope is not None:
        where = f"WHERE {scope.column} IN (SELECT unnest($values))"
        parameters = {"values": list(scope.values)}
    ((replaced,),) = connection.execute(f"DELETE FROM {table.name} {where}", parameters).fetchall()
    connection.execute(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {INCOMING}")
    ((inserted,),) = connection.execute(f"SELECT COUNT(*) FROM {INCOMING}").fetchall()
    ((present,),) = connection.execute(
        f"SELECT COUNT(*) FROM {table.name} {where}",
        parameters,
    ).fetchall()
    if not inserted == present == expected_rows:
        raise WarehouseError(
            f"{table.name}: {expected_rows} rows expected, {inserted} in the files, {present} in "
            "what was replaced; nothing was changed"
        )
    return Load(rows=present, replaced=replaced)


def _require_contract(connection: "DuckDBPyConnection", table: Table) -> None:
    """Refuse incoming rows whose columns or types are not the table's."""
    wanted = _columns(connection, table.name)
    given = _columns(connection, INCOMING)
    if wanted != given:
        missing = sorted(wanted.items() - given.items())
        raise WarehouseError(
            f"{table.name}: the incoming rows do not fit its contract; "
            f"wanted and not given: {missing}, given and not wanted: "
            f"{sorted(given.items() - wanted.items())}"
        )


def _columns(connection: "DuckDBPyConnection", name: str) -> dict[str, str]:
    described = connection.execute(f"DESCRIBE {name}").fetchall()
    return {column: kind for column, kind, *_ in described}


def differences(connection: "DuckDBPyConnection", table: Table) -> list[str]:
    """What of a table is not as its contract; DuckDB knows no partitions and no clusters."""
    import duckdb  # noqa: PLC0415 - heavy import

    with duckdb.connect(":memory:") as empty:
        empty.execute(duckdb_sql(create_table(table)))
        wanted = _described(empty, table)
    given = _described(connection, table)
    if not given:
        return ["the table does not exist"]
    return [
        f"{name}: {given.get(name, 'missing')}, by contract {wanted.get(name, 'no column')}"
        for name in dict.fromkeys([*wanted, *given])
        if wanted.get(name) != given.get(name)
    ]


def _described(connection: "DuckDBPyConnection", table: Table) -> dict[str, str]:
    """By column: type and, where it is not a view's, nullability."""
    rows = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE table_name = $table ORDER BY column_index",
        {"table": table.name},
    ).fetchall()
    return {
        name: kind if nullable or table.view else f"{kind} NOT NULL"
        for name, kind, nullable in rows
    }
