"""Warehouse in a single DuckDB file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fsspec
import pyarrow as pa
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from stock_platform.contracts import TABLES, Table
from stock_platform.contracts.render import arrow_schema, create_table
from stock_platform.warehouse.duckdb_tables import (
    INCOMING,
    Scope,
    described,
    differences,
    replace,
    write_comments,
)
from stock_platform.warehouse.interface import Load, WarehouseError, require_migrated
from stock_platform.warehouse.sql_dialect import duckdb_sql, rows_query, view_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Only one process at a time can open a DuckDB file for writing. Connections here are short, so
# others wait. The longest load measured took 2.8 s (6.3 million rows).
_LOCK_TIMEOUT_S: Final = 120
_DAMAGE_MESSAGES: Final = (
    "not a valid DuckDB",
    "Could not read enough bytes",
    "Corrupt database file",
)


class DuckDBWarehouse:
    """A `Warehouse` in a DuckDB file, which is opened and closed for each operation.

    Args:
        file: the database file. A missing folder is created.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def create_tables(self) -> None:
        """Create missing tables of the contracts, replace their views, and update all comments."""
        with self._transaction() as connection:
            for table in TABLES.values():
                if not table.view:
                    require_migrated(table, described(connection, table))
                    connection.execute(duckdb_sql(create_table(table)))
            for table in TABLES.values():
                if table.view:
                    query = duckdb_sql(view_sql(table))
                    connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {query}")
            write_comments(connection)

    def columns(self, table: Table) -> Sequence[str]:
        """Return the names of a table's columns, or none if the table does not exist."""
        if not self._file.exists():  # a connection would create it
            return ()
        with self._connection() as connection:
            return list(described(connection, table))

    def rename_columns(self, renames: Mapping[Table, Mapping[str, str]]) -> None:
        """Rename columns of tables in one transaction."""
        with self._transaction() as connection:
            for table, names in renames.items():
                for old, new in names.items():
                    connection.execute(f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {new}")

    def replace_sessions(
        self, table: Table, uris: Sequence[str], sessions: Sequence[date], expected_rows: int
    ) -> Load:
        """Replace all rows of the sessions with the rows of Parquet objects."""
        with self._transaction() as connection:
            if uris:
                _use_file_systems(connection, uris)
                connection.execute(
                    f"CREATE TEMP TABLE {INCOMING} AS "
                    "SELECT * FROM read_parquet($uris, hive_partitioning = false)",
                    {"uris": list(uris)},
                )
            else:
                connection.register(INCOMING, arrow_schema(table).empty_table())
            return replace(
                connection, table, Scope(str(table.session_column), sessions), expected_rows
            )

    def replace_table(self, table: Table, rows: pa.Table) -> Load:
        """Replace all rows of a table."""
        return self._replace(table, rows, None)

    def replace_where(
        self, table: Table, column: str, values: Sequence[Any], rows: pa.Table
    ) -> Load:
        """Replace the rows whose column has one of the values."""
        return self._replace(table, rows, Scope(column, values))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a GoogleSQL query and return its result."""
        with self._connection() as connection:
            return connection.sql(duckdb_sql(sql), params=dict(parameters or {})).to_arrow_table()

    def read(self, table: Table, sessions: Sequence[date] | None = None) -> pa.Table:
        """Return the rows of some or all sessions of a table, ordered by its key."""
        return self.query(*rows_query(table, sessions)).cast(arrow_schema(table))

    def contract_differences(self, table: Table) -> Sequence[str]:
        """Compare a table with its contract. Return one sentence per difference."""
        with self._connection() as connection:
            return differences(connection, table)

    def _replace(self, table: Table, rows: pa.Table, scope: Scope | None) -> Load:
        try:
            typed = rows.select(list(table.column_names)).cast(arrow_schema(table))
        except (KeyError, ValueError) as error:
            raise WarehouseError(
                f"{table.name}: rows do not match its contract: {error}"
            ) from error
        with self._transaction() as connection:
            connection.register(INCOMING, typed)
            return replace(connection, table, scope, typed.num_rows)

    @contextmanager
    def _connection(self) -> Iterator["DuckDBPyConnection"]:
        import duckdb  # noqa: PLC0415 - heavy import

        self._file.parent.mkdir(parents=True, exist_ok=True)
        retrying = Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(_LOCK_TIMEOUT_S),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        )
        try:
            opened = retrying(duckdb.connect, str(self._file))
        except duckdb.Error as error:
            raise WarehouseError(f"{self._file} cannot be opened: {_with_remedy(error)}") from error
        with opened as connection:
            connection.execute("SET TimeZone = 'UTC'")
            try:
                yield connection
            except duckdb.Error as error:
                # Damage may surface late, because blocks are read on demand.
                if _is_damaged(error):
                    raise WarehouseError(f"{self._file}: {_with_remedy(error)}") from error
                raise

    @contextmanager
    def _transaction(self) -> Iterator["DuckDBPyConnection"]:
        import duckdb  # noqa: PLC0415 - heavy import

        with self._connection() as connection:
            connection.begin()
            try:
                yield connection
            except duckdb.Error as error:
                if _is_damaged(error):  # a rollback would fail as well
                    raise
                connection.rollback()
                raise WarehouseError(str(error)) from error
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def _use_file_systems(connection: "DuckDBPyConnection", uris: Sequence[str]) -> None:
    """Register the fsspec file systems of the URIs with DuckDB."""
    for scheme in {uri.split("://", 1)[0] for uri in uris if "://" in uri} - {"file"}:
        connection.register_filesystem(fsspec.filesystem(scheme))


def _with_remedy(error: Exception) -> str:
    """Return DuckDB's message with a remedy. Its exception types do not distinguish the cases."""
    if _is_locked(error):
        return (
            f"{error}. Only one process at a time can open a DuckDB file for writing; "
            "close the named one"
        )
    if _is_damaged(error):
        return (
            f"{error}. The file is damaged: move it and its .wal file away, then run "
            "`make rebuild-warehouse` to restore it from the lake"
        )
    return str(error)


def _is_damaged(error: Exception) -> bool:
    return any(message in str(error) for message in _DAMAGE_MESSAGES)


def _is_locked(error: BaseException) -> bool:
    return "Could not set lock" in str(error)
