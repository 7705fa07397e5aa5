"""Table contracts: the classes that describe a table and its columns.

Belongs here: the vocabulary (column, table, type). The contracts themselves are in `dimensions`,
`facts`, `load_log` and `quality`; `render` turns them into Arrow and BigQuery schemas and
GoogleSQL.
"""

from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["BOOL", "DATE", "FLOAT64", "INT64", "STRING", "TIMESTAMP"]


@dataclass(frozen=True)
class Column:
    """One column, with its GoogleSQL type.

    Attributes:
        unit: unit of a number, unless the name says it.
        references: foreign key, as "table.Column"; verified by an asset check.
    """

    name: str
    type: ColumnType
    description: str
    unit: str | None = None
    nullable: bool = False
    references: str | None = None

    @property
    def documentation(self) -> str:
        """The description with its unit, as shown in catalogues."""
        return f"{self.description} Unit: {self.unit}." if self.unit else self.description


@dataclass(frozen=True)
class Table:
    """One warehouse table or view.

    Attributes:
        grain: meaning of one row.
        key: columns that identify a row; not enforced by BigQuery, verified by a check.
        session_column: DATE column of the session of a fact's row. BigQuery rejects queries without
            a condition on it. None for other tables.
        partition_by_month: DATE or TIMESTAMP column of BigQuery's monthly partitions.
        cluster_by: clustering columns in BigQuery.
        view: True for a view over other tables, which is never written.
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
    def all_rows_predicate(self) -> str:
        """A condition that is true for all rows and satisfies BigQuery's partition filter."""
        return f"{self.session_column} >= '1900-01-01'" if self.session_column else "TRUE"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)
