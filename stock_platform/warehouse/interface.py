"""The interface of a warehouse.

Every operation is atomic and idempotent. All implementations pass the same contract test,
`test_interface.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, LOAD_LOG, Table
from stock_platform.contracts.renamed import outdated_columns
from stock_platform.contracts.render import arrow_schema
from stock_platform.contracts.versions import with_versions
from stock_platform.errors import StockPlatformError
from stock_platform.lake import files
from stock_platform.lake.commits import Commit
from stock_platform.warehouse.sql_dialect import rows_query

# The facts that are projections of versions in the lake.
FACTS: Final = (FACT_STOCK_PRICE, FACT_CORPORATE_ACTION)


class WarehouseError(StockPlatformError):
    """The warehouse rejected an operation. None of it was applied."""


@dataclass(frozen=True)
class Load:
    """Result of a load.

    Attributes:
        rows: number of rows that were inserted.
        replaced: number of rows that were deleted.
        statistics: metadata of the warehouse's work, such as jobs and cost.
    """

    rows: int
    replaced: int
    statistics: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class VersionLoad:
    """Versions of one fact to apply.

    Attributes:
        table: the fact.
        uris: Parquet objects, which are never changed, and may also have rows of other batches.
            Each holds the fact's columns, KnownFrom and Change.
        rows: number of rows that the applied batches have in these objects.
        first: lowest date of these rows.
        last: highest date of these rows.
    """

    table: Table
    uris: Sequence[str]
    rows: int
    first: date
    last: date


class Warehouse(Protocol):
    """A star schema in a database.

    Statements are GoogleSQL with named parameters (``@name``). Values are never part of the SQL.
    """

    def create_tables(self) -> None:
        """Create missing tables of the contracts, and create or replace their views.

        Raises:
            WarehouseError: a table has columns of version 0.1.0.
        """

    def columns(self, table: Table) -> Sequence[str]:
        """Return the names of a table's columns, or none if the table does not exist."""

    def rename_columns(self, renames: Mapping[Table, Mapping[str, str]]) -> None:
        """Rename columns of tables, from old to new names."""

    def recreate(self, table: Table) -> None:
        """Drop a table and create it without rows."""

    def applied_batches(self) -> Mapping[str, int]:
        """Return the batches that the facts contain, and the sequence of each."""
        rows = self.read(LOAD_LOG)
        return dict(zip(rows["BatchId"].to_pylist(), rows["Sequence"].to_pylist(), strict=True))

    def apply(
        self,
        loads: Iterable[VersionLoad],
        batches: Sequence[Commit],
        *,
        rebuild: bool = False,
    ) -> Mapping[str, Load]:
        """Replace fact rows by the newest versions of the batches, in one transaction.

        Of each key, the version of the latest batch is inserted, or none if it is withdrawn. Rows
        with other keys do not change. `load_log` then contains the batches.

        Args:
            loads: all versions of the batches. All versions of a key must be in one load.
            batches: the batches, ascending by sequence.
            rebuild: whether to delete all rows of the facts and of `load_log` before.

        Returns:
            The load of each fact by name.

        Raises:
            WarehouseError: a batch or a later one was applied before, or the objects do not match
                the contract, the number of rows or the dates, or have a key twice in one batch.
        """

    def replace_table(self, table: Table, rows: pa.Table) -> Load:
        """Replace all rows of a table.

        Raises:
            WarehouseError: the rows do not match the contract.
        """

    def replace_where(
        self, table: Table, column: str, values: Sequence[Any], rows: pa.Table
    ) -> Load:
        """Replace the rows whose column has one of the values.

        Raises:
            WarehouseError: the rows do not match the contract, or contain another value.
        """

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a query and return its result."""

    def read(self, table: Table, sessions: Sequence[date] | None = None) -> pa.Table:
        """Return the rows of some or all sessions of a table, ordered by its key."""
        return self.query(*rows_query(table, sessions)).cast(arrow_schema(table))

    def contract_differences(self, table: Table) -> Sequence[str]:
        """Compare a table with its contract. Return one sentence per difference."""


def require_migrated(table: Table, columns: Iterable[str], owner: str = "the warehouse") -> None:
    """Reject the columns of version 0.1.0, which had no SecurityId in facts.

    Args:
        table: the contract.
        columns: those that the table has, or none if the table does not exist.
        owner: owner of the columns, for the message.

    Raises:
        WarehouseError: the table has such columns. The message contains the remedy.
    """
    present = list(columns)
    outdated = list(outdated_columns(table, present))
    if table.session_column and present and "SecurityId" not in present:
        outdated.append("no SecurityId")
    if outdated:
        raise WarehouseError(
            f"{owner} has the columns of version 0.1.0 ({table.name}: {', '.join(outdated)}): "
            "run `stock-platform migrate`, as docs/upgrades.md describes"
        )


def require_contract(table: Table, uri: str) -> None:
    """Reject an object whose columns or types differ from those of the table's versions."""
    fs, path = files.filesystem(uri)
    with fs.open(path, "rb") as file:
        given = {field.name: str(field.type) for field in pq.read_schema(file)}
    require_migrated(table, given, uri)
    wanted = {field.name: str(field.type) for field in arrow_schema(with_versions(table))}
    if given != wanted:
        raise WarehouseError(
            f"{table.name}: {uri} does not fit its contract; "
            f"missing: {sorted(wanted.items() - given.items())}, "
            f"unexpected: {sorted(given.items() - wanted.items())}"
        )


def typed_rows(table: Table, rows: pa.Table) -> pa.Table:
    """Return rows with the columns and types of a contract.

    Raises:
        WarehouseError: they do not match it.
    """
    try:
        return rows.select(list(table.column_names)).cast(arrow_schema(table))
    except (KeyError, ValueError) as error:
        raise WarehouseError(f"{table.name}: rows do not match its contract: {error}") from error


def require_all_versions(loads: Iterable[VersionLoad], batches: Sequence[Commit]) -> None:
    """Require that the loads have as many rows as the batches.

    Raises:
        WarehouseError: versions of a fact are missing from the loads.
    """
    given = dict.fromkeys((fact.name for fact in FACTS), 0)
    for load in loads:
        given[load.table.name] += load.rows
    committed = (
        sum(batch.rows("stock_prices") for batch in batches),
        sum(batch.rows("corporate_actions") for batch in batches),
    )
    for (name, rows), expected in zip(given.items(), committed, strict=True):
        if rows != expected:
            raise WarehouseError(
                f"{name}: the batches have {expected:,} versions, the loads {rows:,}; nothing was "
                "changed"
            )
