"""What the platform asks of a warehouse: a handful of verbs that any adapter fulfils.

Every verb is atomic and may be repeated. `stock_platform_tests/warehouse/test_port.py` is the
contract that an adapter must pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from stock_platform.contracts import Table


class WarehouseError(RuntimeError):
    """The warehouse refused what was asked; nothing of it was applied."""


@dataclass(frozen=True)
class Load:
    """What a load did.

    Attributes:
        rows: in the replaced part now.
        replaced: rows that stood there before.
        statistics: what the warehouse tells of the work, such as jobs and cost.
    """

    rows: int
    replaced: int
    statistics: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Warehouse(Protocol):
    """A star schema somewhere.

    Statements are GoogleSQL with named parameters (``@name``); values are never pasted.
    """

    def create_tables(self) -> None:
        """Create what is missing of the contracts' tables, and (re)create their views."""

    def replace_sessions(
        self, table: Table, uris: Sequence[str], sessions: Sequence[date], expected_rows: int
    ) -> Load:
        """Replace all rows of the sessions by the rows of Parquet objects.

        Raises:
            WarehouseError: the objects do not fit the contract, hold a session that was not
                named, or other than the expected number of rows.
        """

    def replace_table(self, table: Table, rows: pa.Table) -> Load:
        """Replace all rows of a table.

        Raises:
            WarehouseError: the rows do not fit the contract.
        """

    def replace_where(
        self, table: Table, column: str, values: Sequence[Any], rows: pa.Table
    ) -> Load:
        """Replace the rows whose column has one of the values.

        Raises:
            WarehouseError: the rows do not fit the contract, or hold another value.
        """

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Answer a query."""

    def read(self, table: Table, sessions: Sequence[date] | None = None) -> pa.Table:
        """Rows of a table, of some sessions or of all, in the order of its key."""

    def contract_differences(self, table: Table) -> Sequence[str]:
        """What of a table is not as its contract says: a sentence for each difference."""
