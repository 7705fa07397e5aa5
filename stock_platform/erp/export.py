"""Read an ERP export: accept and normalise its rows, or reject them with a reason.

Belongs here: one file at a time. The rules for a row are in `row_rules`, the file format in
`csv_reader`, the merge with earlier exports in `history`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.erp.csv_reader import CsvFile, CsvRecord, ErpFileError, detect_format
from stock_platform.erp.row_rules import ErpRow, RowRule, normalise_whitespace

REJECTED: Final = pa.schema(
    {"LINE": pa.int64(), "REASON": pa.string(), "KEY": pa.string(), "TEXT": pa.string()}
)
_BATCH_ROWS: Final = 20_000
# Of a rejected row's text; the file itself is kept as it came.
_MAX_TEXT_CHARS: Final = 2_000
# Its copy is accepted, so nothing is lost with it.
_COPY: Final = "repeated_row"


@dataclass(frozen=True)
class ExportSchema:
    """Columns of a kind of export, and their roles.

    Attributes:
        aliases: other names of the columns.
        identity: the column with the permanent key.
        symbol: the column by which others refer to a row; may be the identity.
        as_of: the column with the day from which a row is valid; None if there is none.
        active: the column that is ``Y`` in valid rows; None if all rows are valid.
        sealed: columns of which a truncated value would be rejected.
    """

    columns: tuple[str, ...]
    aliases: Mapping[str, str]
    identity: str
    symbol: str
    as_of: str | None
    active: str | None
    sealed: frozenset[str]


COMPANIES: Final = ExportSchema(
    columns=(
        *("ITEM_ID", "TICKER", "COMPANY_NAME", "EXCH_CODE", "SECTOR", "COUNTRY"),
        *("CURRENCY", "ISIN", "ACTIVE", "LAST_CHANGED"),
    ),
    aliases={
        **dict.fromkeys(("ITEM", "ITEMID", "ITEM_NO", "ITEM_NUMBER"), "ITEM_ID"),
        **dict.fromkeys(("SYMBOL", "TICKER_SYMBOL"), "TICKER"),
        **dict.fromkeys(("COMPANY", "NAME", "COMPANYNAME"), "COMPANY_NAME"),
        **dict.fromkeys(("EXCHANGE", "EXCHANGE_CODE", "MIC", "EXCHCODE"), "EXCH_CODE"),
        **dict.fromkeys(("CCY", "CURRENCY_CODE"), "CURRENCY"),
        **dict.fromkeys(("IS_ACTIVE", "ACTIVE_FLAG"), "ACTIVE"),
        **dict.fromkeys(("LASTCHANGED", "CHANGED_ON", "LAST_CHANGE", "VALID_FROM"), "LAST_CHANGED"),
        "COUNTRY_CODE": "COUNTRY",
    },
    identity="ITEM_ID",
    symbol="TICKER",
    as_of="LAST_CHANGED",
    active="ACTIVE",
    sealed=frozenset({"LAST_CHANGED", "ISIN", "ACTIVE", "EXCH_CODE"}),
)
EXCHANGES: Final = ExportSchema(
    columns=(
        *("EXCH_CODE", "EXCH_NAME", "COUNTRY", "CITY", "TIMEZONE"),
        *("PRICE_CURRENCY", "YAHOO_SUFFIX", "YAHOO_EXCHANGE_CODES"),
    ),
    aliases={
        **dict.fromkeys(("EXCHANGE", "EXCHANGE_CODE", "MIC", "EXCHCODE"), "EXCH_CODE"),
        **dict.fromkeys(("EXCHANGE_NAME", "NAME"), "EXCH_NAME"),
        **dict.fromkeys(("CURRENCY", "CCY"), "PRICE_CURRENCY"),
        **dict.fromkeys(("TIME_ZONE", "TZ"), "TIMEZONE"),
        "COUNTRY_CODE": "COUNTRY",
    },
    identity="EXCH_CODE",
    symbol="EXCH_CODE",
    as_of=None,
    active=None,
    sealed=frozenset({"EXCH_CODE"}),
)

SCHEMAS: Final = {"companies": COMPANIES, "exchanges": EXCHANGES}


@dataclass(frozen=True)
class Export:
    """Content of an export.

    Attributes:
        accepted: the schema's columns, all text, in the order of the file.
        rejected: rows of the schema `REJECTED`; KEY is the identity, as far as it could be read.
    """

    accepted: pa.Table
    rejected: pa.Table


def read_export(file: Path, schema: ExportSchema, rule: RowRule, rejected_share: float) -> Export:
    """Read an export.

    Args:
        file: the file, on a local disk.
        schema: its columns.
        rule: validates and normalises a row.
        rejected_share: of all rows; the file is rejected if more of them are.

    Raises:
        ErpFileError: the file is rejected as a whole.
    """
    csv_file = detect_format(file, schema.columns, schema.aliases)
    missing = [name for name in schema.columns if name not in csv_file.columns]
    if missing:
        raise ErpFileError(
            f"the header lacks {', '.join(missing)}; it has {list(csv_file.columns)}"
        )
    accepted, rejected = _tables(csv_file, schema, rule)
    accepted, repeated = _split_repeated(accepted, schema)
    rejected = pa.concat_tables([rejected, repeated]).sort_by("LINE")
    rows = accepted.num_rows + rejected.num_rows
    if not rows:
        raise ErpFileError("the file has a header and no row; export it again")
    copies = pc.sum(pc.equal(rejected["REASON"], _COPY)).as_py() or 0
    if rejected.num_rows - copies > rejected_share * rows:
        raise ErpFileError(
            f"{rejected.num_rows - copies:,} of {rows:,} rows break the contract "
            f"({_reason_counts(rejected)}); fix the export and drop it again"
        )
    pa.default_memory_pool().release_unused()  # of a million rows, 250 MB of their text
    return Export(accepted, rejected)


def _tables(file: CsvFile, schema: ExportSchema, rule: RowRule) -> tuple[pa.Table, pa.Table]:
    """Return the rows that the rule accepts, with LINE and TEXT, and those that it rejects."""
    accepted_schema = pa.schema(
        [("LINE", pa.int64()), ("TEXT", pa.string())]
        + [(name, pa.string()) for name in schema.columns]
    )
    accepted: list[pa.RecordBatch] = []
    rejected: list[pa.RecordBatch] = []
    rows = _checked_rows(file, schema, rule)
    last_rejected = False
    while batch := list(islice(rows, _BATCH_ROWS)):
        good = [row for reason, row in batch if reason is None]
        bad = [{**row, "REASON": reason} for reason, row in batch if reason is not None]
        accepted.append(_record_batch(good, accepted_schema))
        rejected.append(_record_batch(bad, REJECTED))
        last_rejected = batch[-1][0] is not None
    is_sealed = file.columns[-1] in schema.sealed
    if not file.ends_with_newline and (last_rejected or not is_sealed):
        raise ErpFileError(
            "the file looks truncated in the middle of a row: its last line has no newline; "
            "export it again"
        )
    return (
        pa.Table.from_batches(accepted, accepted_schema),
        pa.Table.from_batches(rejected, REJECTED),
    )


def _record_batch(rows: list[dict[str, object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _checked_rows(
    file: CsvFile, schema: ExportSchema, rule: RowRule
) -> Iterator[tuple[str | None, dict[str, object]]]:
    """Yield per record a reason or None, and its row, which has KEY and no columns if rejected."""
    positions = [(name, file.columns.index(name)) for name in schema.columns]
    key = file.columns.index(schema.identity)
    for record in file.records():
        reason, row = _row(record, positions, len(file.columns), rule)
        if reason is None:
            yield None, {"LINE": record.line, "TEXT": record.text, **row}
        else:
            yield (
                reason,
                {
                    "LINE": record.line,
                    "TEXT": record.text[:_MAX_TEXT_CHARS],
                    "KEY": _key(record, key, file.delimiter),
                },
            )


def _row(
    record: CsvRecord, positions: Sequence[tuple[str, int]], width: int, rule: RowRule
) -> tuple[str | None, ErpRow]:
    values = record.values
    if values is None:
        return "malformed_quotes_or_field", {}
    if len(values) != width:
        return "ragged_row", {}
    row = {name: normalise_whitespace(values[position]) for name, position in positions}
    return rule(row), row


def _key(record: CsvRecord, position: int, delimiter: str) -> str:
    """Return the identity, as far as it can be read."""
    values = record.values
    if values is None:
        values = [value.strip('" ') for value in record.text.split(delimiter)]
    return normalise_whitespace(values[position]).upper() if position < len(values) else ""


def _split_repeated(rows: pa.Table, schema: ExportSchema) -> tuple[pa.Table, pa.Table]:
    """Split off rows that share their identity or symbol with another row, as rejected rows.

    Of equal rows the first is kept. Of rows that differ none is known to be right. A symbol may
    belong to one active company and to earlier holders.
    """
    columns, identity, symbol = ", ".join(schema.columns), schema.identity, schema.symbol
    is_active = f"{schema.active} = 'Y'" if schema.active else "TRUE"
    statement = f"""
        WITH suspects AS (
          SELECT * FROM rows
          WHERE {identity} IN (SELECT {identity} FROM rows GROUP BY ALL HAVING COUNT(*) > 1)
            OR {symbol} IN (SELECT {symbol} FROM rows GROUP BY ALL HAVING COUNT(*) > 1)
        ),
        copies AS (
          SELECT *, ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY LINE) AS Copy FROM suspects
        )
        SELECT
          LINE,
          CASE
            WHEN Copy > 1 THEN '{_COPY}'
            WHEN COUNT(*) FILTER (Copy = 1) OVER (PARTITION BY {identity}) > 1
              OR ({is_active} AND
                  COUNT(*) FILTER (Copy = 1 AND {is_active}) OVER (PARTITION BY {symbol}) > 1)
            THEN 'conflicting_key'
          END AS REASON,
          {identity} AS KEY,
          LEFT(TEXT, {_MAX_TEXT_CHARS}) AS TEXT
        FROM copies
        QUALIFY REASON IS NOT NULL
    """  # noqa: S608 - names of the schema's columns
    with duckdb.connect() as engine:
        engine.register("rows", rows)
        bad = engine.sql(statement).to_arrow_table().cast(REJECTED)
    good = pc.invert(pc.is_in(rows["LINE"], bad["LINE"]))
    return rows.select(schema.columns).filter(good), bad


def _reason_counts(rejected: pa.Table) -> str:
    counts = rejected["REASON"].value_counts().to_pylist()
    counts.sort(key=lambda count: -count["counts"])
    return ", ".join(f"{count['values']} {count['counts']:,}" for count in counts)
