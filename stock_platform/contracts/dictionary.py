"""The data dictionary: every table and column of the warehouse as a Markdown page.

To write it: ``make docs``. The text comes from the contracts, so it is edited there.
"""

import sys
from collections.abc import Iterator

from stock_platform.contracts import TABLES, Column, Table

_INTRODUCTION = """\
# Data dictionary

Generated from `stock_platform/contracts/` by `make docs`: edit the contracts, not this page. DuckDB
shows the same text as comments on tables and columns, and so does BigQuery, except for columns of
views.

Types are GoogleSQL's, and all times are in UTC. The databases do not enforce keys and references;
the checks `primary_key_unique` and `foreign_keys_resolve` verify them.
"""


def data_dictionary() -> str:
    """Return the page, with one section per table in the order of `TABLES`."""
    return _INTRODUCTION + "".join(_section(table) for table in TABLES.values())


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    rows = "\n".join(f"| {' | '.join(_cells(column))} |" for column in table.columns)
    return f"""
## {table.name}

{"View. " if table.view else ""}{table.description}

One row is {table.grain}. Key: {key}.

| column | type | null | description | unit | references |
|---|---|---|---|---|---|
{rows}
"""


def _cells(column: Column) -> Iterator[str]:
    yield f"`{column.name}`"
    yield column.type
    yield "yes" if column.nullable else "no"
    yield column.description
    yield column.unit or ""
    yield f"`{column.references}`" if column.references else ""


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
