"""Reading an ERP export: a CSV file into accepted rows and rejected rows with reasons.

Belongs here: the contract with the ERP (columns, key, what a row must have). Pure: bytes in,
rows out. Where files lie and what becomes of the rows is not known here.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from stock_platform.calendars import calendar_code

ErpRow = Mapping[str, str]

COMPANY_COLUMNS: Final = (
    "ITEM_ID",
    "TICKER",
    "COMPANY_NAME",
    "EXCH_CODE",
    "SECTOR",
    "COUNTRY",
    "CURRENCY",
    "ISIN",
    "ACTIVE",
    "LAST_CHANGED",
)
EXCHANGE_COLUMNS: Final = (
    "EXCH_CODE",
    "EXCH_NAME",
    "COUNTRY",
    "CITY",
    "TIMEZONE",
    "PRICE_CURRENCY",
    "YAHOO_SUFFIX",
    "YAHOO_EXCHANGE_CODES",
)
_BLANKS: Final = " \t\u00a0"


class ErpFileError(ValueError):
    """A file that is rejected whole; the message says why and what to do."""


@dataclass(frozen=True)
class RejectedRow:
    """A row that breaks the contract: its line in the file, why, and what it said."""

    line: int
    reason: str
    record: ErpRow


@dataclass(frozen=True)
class ErpFile:
    """What an export holds."""

    accepted: tuple[ErpRow, ...]
    rejected: tuple[RejectedRow, ...]


def read_companies(content: bytes) -> ErpFile:
    """Companies of an export, one a TICKER.

    Raises:
        ErpFileError: the file is not UTF-8, lacks a column or has no row.
    """
    return _read(content, COMPANY_COLUMNS, "TICKER", _company_defect)


def read_exchanges(content: bytes) -> ErpFile:
    """Exchanges of an export, one an EXCH_CODE.

    Raises:
        ErpFileError: the file is not UTF-8, lacks a column or has no row.
    """
    return _read(content, EXCHANGE_COLUMNS, "EXCH_CODE", _exchange_defect)


def is_active(company: ErpRow) -> bool:
    """Whether prices are wanted for a company."""
    return company["ACTIVE"] == "Y"


def _read(
    content: bytes, columns: tuple[str, ...], key: str, defect: Callable[[ErpRow], str | None]
) -> ErpFile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ErpFileError(f"the file is not UTF-8 ({error}); export it as UTF-8 CSV") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    accepted: dict[str, ErpRow] = {}
    rejected: list[RejectedRow] = []
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ErpFileError(f"the header lacks {', '.join(missing)}; found {reader.fieldnames}")
        for values in reader:
            row = {name: (values[name] or "").strip(_BLANKS) for name in columns}
            row[key] = row[key].upper()
            ragged = None in values or None in values.values()
            reason = "ragged_row" if ragged else defect(row)
            if reason is None and row[key] in accepted:
                reason = "duplicate_key"
            if reason is None:
                accepted[row[key]] = row
            else:
                rejected.append(RejectedRow(reader.line_num, reason, row))
    except csv.Error as error:
        raise ErpFileError(f"line {reader.line_num} is no CSV: {error}") from error
    if not accepted:
        raise ErpFileError(f"no row could be accepted, {len(rejected)} were rejected")
    return ErpFile(tuple(accepted.values()), tuple(rejected))


def _company_defect(row: ErpRow) -> str | None:
    if not row["TICKER"] or not row["COMPANY_NAME"] or not row["EXCH_CODE"]:
        return "missing_value"
    if row["ACTIVE"] not in {"Y", "N"}:
        return "active_not_y_or_n"
    if is_active(row) and calendar_code(row["EXCH_CODE"]) is None:
        return "exchange_without_calendar"
    return None if _is_date(row["LAST_CHANGED"]) else "last_changed_no_iso_date"


def _exchange_defect(row: ErpRow) -> str | None:
    required = ("EXCH_CODE", "EXCH_NAME", "TIMEZONE", "PRICE_CURRENCY")
    return None if all(row[name] for name in required) else "missing_value"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
