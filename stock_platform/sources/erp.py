"""The contract with the ERP: an export's rows, accepted in one spelling or rejected with a reason.

Belongs here: a file at a time. What a row must say is in `erp_rows`, how a file is written in
`erp_text`, what an export means for what was known before in `erp_history`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.sources.erp_rows import ErpRow, RowRule, spelled
from stock_platform.sources.erp_text import CsvText, ErpFileError, Record, read_text

REJECTED: Final = pa.schema(
    {"LINE": pa.int64(), "REASON": pa.string(), "KEY": pa.string(), "TEXT": pa.string()}
)
_BATCH_ROWS: Final = 20_000
# Of a rejected row's text; the file itself is kept as it came.
_KEPT_CHARACTERS: Final = 2_000
# What it repeats is accepted, so nothing is lost with it.
_COPY: Final = "repeated_row"


@dataclass(frozen=True)
class Contract:
    """What an export of a kind has.

    Attributes:
        aliases: other names of its columns.
        identity: the column that names a thing for good.
        symbol: the column by which others know it; may be the identity.
        as_of: the column that says since when a row holds; None where nothing says.
        active: the column that says with ``Y`` that a row holds at all; None where all do.
        sealed: columns whose values cannot be cut off without being seen.
    """

    columns: tuple[str, ...]
    aliases: Mapping[str, str]
    identity: str
    symbol: str
    as_of: str | None
    active: str | None
    sealed: frozenset[str]


COMPANIES: Final = Contract(
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
EXCHANGES: Final = Contract(
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

CONTRACTS: Final = {"companies": COMPANIES, "exchanges": EXCHANGES}


@dataclass(frozen=True)
class Export:
    """What an export holds.

    Attributes:
        accepted: the contract's columns, all text, in the order of the file.
        rejected: of the schema `REJECTED`; KEY is the identity, as far as it could be read.
    """

    accepted: pa.Table
    rejected: pa.Table


def read_export(file: Path, contract: Contract, rule: RowRule, rejected_share: float) -> Export:
    """Read an export.

    Args:
        file: the file, on a local disk.
        contract: what it must have.
        rule: what its rows must say.
        rejected_share: of all rows; with more of them rejected, the file is.

    Raises:
        ErpFileError: the file is rejected whole.
    """
    text = read_text(file, contract.columns, contract.aliases)
    missing = [name for name in contract.columns if name not in text.columns]
    if missing:
        raise ErpFileError(f"the header lacks {', '.join(missing)}; it has {list(text.columns)}")
    accepted, rejected = _tables(text, contract, rule)
    accepted, repeated = _without_repeated(accepted, contract)
    rejected = pa.concat_tables([rejected, repeated]).sort_by("LINE")
    rows = accepted.num_rows + rejected.num_rows
    if not rows:
        raise ErpFileError("the file has a header and no row; export it again")
    copies = pc.sum(pc.equal(rejected["REASON"], _COPY)).as_py() or 0
    if rejected.num_rows - copies > rejected_share * rows:
        raise ErpFileError(
            f"{rejected.num_rows - copies:,} of {rows:,} rows break the contract "
            f"({_why(rejected)}); mend the export and drop it again"
        )
    pa.default_memory_pool().release_unused()  # of a million rows, 250 MB of their text
    return Export(accepted, rejected)


def _tables(text: CsvText, contract: Contract, rule: RowRule) -> tuple[pa.Table, pa.Table]:
    """Rows accepted one by one, with LINE and TEXT beside them, and rows rejected."""
    schema = pa.schema(
        [("LINE", pa.int64()), ("TEXT", pa.string())]
        + [(name, pa.string()) for name in contract.columns]
    )
    accepted: list[pa.RecordBatch] = []
    rejected: list[pa.RecordBatch] = []
    judged = _judged(text, contract, rule)
    last_rejected = False
    while batch := list(islice(judged, _BATCH_ROWS)):
        good = [row for reason, row in batch if reason is None]
        bad = [{**row, "REASON": reason} for reason, row in batch if reason is not None]
        accepted.append(_columns(good, schema))
        rejected.append(_columns(bad, REJECTED))
        last_rejected = batch[-1][0] is not None
    is_sealed = text.columns[-1] in contract.sealed
    if not text.ends_with_newline and (last_rejected or not is_sealed):
        raise ErpFileError(
            "the file ends in the middle of a row, for all one can see: its transfer was cut off, "
            "or the last line lacks its newline; drop it again"
        )
    return pa.Table.from_batches(accepted, schema), pa.Table.from_batches(rejected, REJECTED)


def _columns(rows: list[dict[str, object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row[it.name] for row in rows], it.type) for it in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _judged(
    text: CsvText, contract: Contract, rule: RowRule
) -> Iterator[tuple[str | None, dict[str, object]]]:
    """By record: a reason or None, and its row; a rejected one has KEY instead of columns."""
    places = [(name, text.columns.index(name)) for name in contract.columns]
    key = text.columns.index(contract.identity)
    for record in text.records():
        reason, row = _row(record, places, len(text.columns), rule)
        if reason is None:
            yield None, {"LINE": record.line, "TEXT": record.text, **row}
        else:
            stands = {"LINE": record.line, "TEXT": record.text[:_KEPT_CHARACTERS]}
            yield reason, {**stands, "KEY": _key(record, key, text.delimiter)}


def _row(
    record: Record, places: Sequence[tuple[str, int]], width: int, rule: RowRule
) -> tuple[str | None, ErpRow]:
    values = record.values
    if values is None:
        return "malformed_quotes_or_field", {}
    if len(values) != width:
        return "ragged_row", {}
    row = {name: spelled(values[at]) for name, at in places}
    return rule(row), row


def _key(record: Record, at: int, delimiter: str) -> str:
    """The identity, as far as it can be read."""
    values = record.values
    if values is None:
        values = [it.strip('" ') for it in record.text.split(delimiter)]
    return spelled(values[at]).upper() if at < len(values) else ""


def _without_repeated(rows: pa.Table, contract: Contract) -> tuple[pa.Table, pa.Table]:
    """Rows whose identity and symbol no other row has; and the others, as rejected rows.

    Of equal rows the first is kept. Of rows that differ nobody knows which one is right. A symbol
    may stand with one active company and with those that had it before.
    """
    columns, identity, symbol = ", ".join(contract.columns), contract.identity, contract.symbol
    holds = f"{contract.active} = 'Y'" if contract.active else "TRUE"
    judged = f"""
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
              OR ({holds}
                  AND COUNT(*) FILTER (Copy = 1 AND {holds}) OVER (PARTITION BY {symbol}) > 1)
            THEN 'conflicting_key'
          END AS REASON,
          {identity} AS KEY,
          LEFT(TEXT, {_KEPT_CHARACTERS}) AS TEXT
        FROM copies
        QUALIFY REASON IS NOT NULL
    """  # noqa: S608 - names of the contract's columns
    with duckdb.connect() as engine:
        engine.register("rows", rows)
        bad = engine.sql(judged).to_arrow_table().cast(REJECTED)
    good = pc.invert(pc.is_in(rows["LINE"], bad["LINE"]))
    return rows.select(contract.columns).filter(good), bad


def _why(rejected: pa.Table) -> str:
    counts = rejected["REASON"].value_counts().to_pylist()
    counts.sort(key=lambda it: -it["counts"])
    return ", ".join(f"{it['values']} {it['counts']:,}" for it in counts)
