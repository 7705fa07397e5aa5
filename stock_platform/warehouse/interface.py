"""The interface of a warehouse.

Every operation is atomic and idempotent. All implementations pass the same contract test,
`test_interface.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from stock_platform.contracts import Table
from stock_platform.contracts.renamed import outdated_columns
from stock_platform.errors import StockPlatformError


class WarehouseError(StockPlatformError):
    """The warehouse rejected an operation. None of it was applied."""


@dataclass(frozen=True)
class Load:
    """Result of a load.

    Attributes:
        rows: number of rows in the replaced scope after the load.
        replaced: number of rows in it before.
        statistics: metadata of the warehouse's work, such as jobs and cost.
    """

    rows: int
    replaced: int
    statistics: Mapping[str, Any] = field(default_factory=dict, compare=False)


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

    def replace_sessions(
        self, table: Table, uris: Sequence[str], sessions: Sequence[date], expected_rows: int
    ) -> Load:
        """Replace all rows of the sessions with the rows of Parquet objects.

        Raises:
            WarehouseError: the objects do not match the contract, contain another session, or
                do not have the expected number of rows.
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

    def contract_differences(self, table: Table) -> Sequence[str]:
        """Compare a table with its contract. Return one sentence per difference."""


def require_migrated(table: Table, columns: Iterable[str], owner: str = "the warehouse") -> None:
    """Reject the columns of version 0.1.0.

    Raises:
        WarehouseError: the table has such columns. The message contains the remedy.
    """
    if outdated := outdated_columns(table, columns):
        raise WarehouseError(
            f"{owner} has the columns of version 0.1.0 ({table.name}: {', '.join(outdated)}): "
            "run `stock-platform migrate`, as docs/upgrades.md describes"
        )
