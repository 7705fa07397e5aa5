"""What a table contract is.

Belongs here: the vocabulary (column, table, type). Each table's own contract has a file of
its own; how a contract becomes Arrow, BigQuery, DuckDB or Dagster schema is in `render`.
"""

from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["BOOL", "DATE", "FLOAT64", "INT64", "STRING", "TIMESTAMP"]


@dataclass(frozen=True)
class Column:
    """One column, in GoogleSQL's types.

    Attributes:
        unit: what a number counts, where the name does not say it.
        references: "table.Column" that every value is found in; proven by an asset check.
    """

    name: str
    type: ColumnType
    description: str
    unit: str | None = None
    nullable: bool = False
    references: str | None = None

    @property
    def documentation(self) -> str:
        """The description with its unit, as catalogues show it."""
        return f"{self.description} Unit: {self.unit}." if self.unit else self.description


@dataclass(frozen=True)
class Table:
    """One warehouse table or view.

    Attributes:
        grain: what one row is.
        key: the columns that identify a row; unenforced in BigQuery, proven by a check.
        session_column: the DATE column by which sessions are replaced, and without a condition
            on which BigQuery refuses to read the table; None for tables that are replaced whole.
        partition_by_month: the DATE or TIMESTAMP column whose months are BigQuery's partitions.
        cluster_by: BigQuery's clustering columns.
        view: made by SQL over other tables, never written.
    """

    name: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    session_column: str | None = None
    partition_by_month: str | None = None
    cluster_by: tuple[str, ...] = field(default=())
    view: bool = False

    @property
    def ever(self) -> str:
        """A condition that all rows fulfil, and BigQuery takes for one on the partition column."""
        return f"{self.session_column} >= '1900-01-01'" if self.session_column else "TRUE"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)
