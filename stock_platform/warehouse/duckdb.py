"""Warehouse in a single DuckDB file, which only loads open. Everything else reads a generation."""

import filecmp
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from filelock import FileLock, Timeout
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from stock_platform.contracts import Table
from stock_platform.contracts.render import create_table
from stock_platform.lake.commits import Commit
from stock_platform.warehouse.duckdb_generations import Generations, compact, is_bloated
from stock_platform.warehouse.duckdb_tables import (
    INCOMING,
    Scope,
    create_tables,
    described,
    differences,
    has_tables,
    replace,
)
from stock_platform.warehouse.duckdb_versions import apply_versions
from stock_platform.warehouse.interface import (
    Load,
    VersionLoad,
    Warehouse,
    WarehouseError,
    typed_rows,
)
from stock_platform.warehouse.sql_dialect import duckdb_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Only one process at a time can load, so others wait. The longest load measured, a rebuild of
# 3.2 million rows, took 20 s.
_LOCK_TIMEOUT_S: Final = 120
_DAMAGE_MESSAGES: Final = (
    "not a valid DuckDB",
    "Could not read enough bytes",
    "Corrupt database file",
)


class DuckDBWarehouse(Warehouse):
    """A `Warehouse` in a DuckDB file.

    Each transaction opens and closes the file, and publishes a generation when it has committed.
    Reading waits for nothing: it opens the newest generation.

    Args:
        file: the database file. The first transaction creates it and its folder.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._generations = Generations(file)
        self._lock = FileLock(file.with_name(f"{file.name}.lock"))

    def create_tables(self) -> None:
        """Create missing tables of the contracts, replace their views, and update all comments.

        Also publish a generation that a process could not publish because it died.
        """
        if self._is_complete():
            return
        with self._locked():
            if not self._is_complete():  # the process that held the lock may have done it
                with self._transaction() as connection:
                    create_tables(connection)

    def columns(self, table: Table) -> Sequence[str]:
        """Return the names of a table's columns, or none if the table does not exist."""
        with self._newest_generation() as connection:
            return list(described(connection, table))

    def rename_columns(self, renames: Mapping[Table, Mapping[str, str]]) -> None:
        """Rename columns of tables in one transaction."""
        with self._transaction() as connection:
            for table, names in renames.items():
                for old, new in names.items():
                    connection.execute(f"ALTER TABLE {table.name} RENAME COLUMN {old} TO {new}")

    def recreate(self, table: Table) -> None:
        """Drop a table and create it without rows."""
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {table.name}")
            connection.execute(duckdb_sql(create_table(table)))

    def apply(
        self,
        loads: Iterable[VersionLoad],
        batches: Sequence[Commit],
        *,
        rebuild: bool = False,
    ) -> Mapping[str, Load]:
        """Replace fact rows by the newest versions of the batches, in one transaction."""
        with self._transaction() as connection:
            return apply_versions(connection, loads, batches, rebuild=rebuild)

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
        with self._newest_generation() as connection:
            return connection.sql(duckdb_sql(sql), params=dict(parameters or {})).to_arrow_table()

    def contract_differences(self, table: Table) -> Sequence[str]:
        """Compare a table with its contract. Return one sentence per difference."""
        with self._newest_generation() as connection:
            return differences(connection, table)

    def _replace(self, table: Table, rows: pa.Table, scope: Scope | None) -> Load:
        typed = typed_rows(table, rows)
        with self._transaction() as connection:
            connection.register(INCOMING, typed)
            return replace(connection, table, scope)

    def _is_complete(self) -> bool:
        """Whether all tables exist, and all changes are published."""
        if not self._generations.is_current():
            return False
        with self._newest_generation() as connection:
            return has_tables(connection)

    @contextmanager
    def _newest_generation(self) -> Iterator["DuckDBPyConnection"]:
        file = self._generations.newest() or self._file
        with self._connection(self._open_newest_generation, file) as connection:
            yield connection

    def _open_newest_generation(self) -> "DuckDBPyConnection":
        """Open the newest generation, or an empty database if there is no file."""
        import duckdb  # noqa: PLC0415 - heavy import

        if not self._file.exists():
            return duckdb.connect(":memory:")
        generation = self._generations.newest()
        if generation is None:
            self._publish_first_generation()
            return self._open_newest_generation()
        try:
            return duckdb.connect(generation, read_only=True)
        except duckdb.IOException:
            if generation.exists():
                raise
            return self._open_newest_generation()  # later loads have deleted it meanwhile

    def _publish_first_generation(self) -> None:
        """Publish a file that was written before there were generations."""
        with self._locked():
            if self._generations.newest() is None:
                with self._connection(self._open_file, self._file):  # applies a .wal file
                    pass
                self._generations.publish()

    @contextmanager
    def _transaction(self) -> Iterator["DuckDBPyConnection"]:
        import duckdb  # noqa: PLC0415 - heavy import

        with self._locked():
            with self._connection(self._open_file, self._file) as connection:
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
                connection.execute("CHECKPOINT")
                bloated = is_bloated(connection, self._file)
            if bloated:
                compact(self._file)
            self._generations.publish()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait for the loads of other processes and threads.

        DuckDB's own lock ends with a connection, and publishing comes after it.
        """
        file = Path(self._lock.lock_file)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=_LOCK_TIMEOUT_S)
        except Timeout as error:
            raise WarehouseError(
                f"process {file.read_text()} has been loading {self._file} for more than "
                f"{_LOCK_TIMEOUT_S} s: wait for it, or end it"
            ) from error
        try:
            file.write_text(str(os.getpid()))
            yield
        finally:
            self._lock.release()

    def _open_file(self) -> "DuckDBPyConnection":
        """Open the file for writing. Wait for a person who has opened it."""
        import duckdb  # noqa: PLC0415 - heavy import

        retrying = Retrying(
            retry=retry_if_exception(_is_locked),
            stop=stop_after_delay(_LOCK_TIMEOUT_S),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        )
        return retrying(duckdb.connect, str(self._file))

    @contextmanager
    def _connection(
        self, connect: Callable[[], "DuckDBPyConnection"], file: Path
    ) -> Iterator["DuckDBPyConnection"]:
        import duckdb  # noqa: PLC0415 - heavy import

        try:
            opened = connect()
        except duckdb.Error as error:
            raise WarehouseError(
                f"{file} cannot be opened: {self._with_remedy(error, file)}"
            ) from error
        with opened as connection:
            connection.execute("SET TimeZone = 'UTC'")
            try:
                yield connection
            except duckdb.Error as error:
                # Damage may surface late, because blocks are read on demand.
                if _is_damaged(error):
                    raise WarehouseError(f"{file}: {self._with_remedy(error, file)}") from error
                raise

    def _with_remedy(self, error: Exception, file: Path) -> str:
        """Return DuckDB's message with a remedy. Its exception types do not distinguish causes."""
        if _is_locked(error):
            return (
                f"{error}. Loads need the file for themselves: close the named one, and let it "
                f"open {self._generations.link} read-only instead, which blocks nothing"
            )
        if not _is_damaged(error):
            return str(error)
        # A damaged file may have been published before the damage was found.
        if filecmp.cmp(file, self._file, shallow=False):
            return (
                f"{error}. The file is damaged: move {self._file} and its .wal file away, then run "
                "`make rebuild-warehouse` to restore it from the lake"
            )
        return f"{error}. This copy is damaged: delete it, and the next reader makes a new one"


def _is_damaged(error: Exception) -> bool:
    return any(message in str(error) for message in _DAMAGE_MESSAGES)


def _is_locked(error: BaseException) -> bool:
    return "Could not set lock" in str(error)
