"""Columns and checks that had another name in version 0.1.0.

Belongs here: the names alone. `warehouse.migrate` and `lake.migrate` rename stored data. The
columns of facts are not here: the migration creates facts anew.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from stock_platform.contracts.table import Table

_COMPANY: Final = {"ItemId": "SecurityId", "IsVanished": "IsMissingFromExport"}
# New name by old name, per table.
RENAMED_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "dim_company": _COMPANY,
    "dim_company_history": _COMPANY,
    "dim_exchange": {"IsVanished": "IsMissingFromExport"},
}
# New name by old name.
RENAMED_CHECKS: Final[Mapping[str, str]] = {
    "answer_is_settled": "bars_are_final",
    "complete_for_session": "all_symbols_present",
    "every_line_accounted_for": "all_records_accounted_for",
    "every_row_accepted": "all_rows_accepted",
    "no_upstream_errors": "source_responded",
}


def outdated_columns(table: Table, columns: Iterable[str]) -> dict[str, str]:
    """Return the new name of each column that still has its name of version 0.1.0."""
    renamed = RENAMED_COLUMNS.get(table.name, {})
    return {column: renamed[column] for column in columns if column in renamed}
