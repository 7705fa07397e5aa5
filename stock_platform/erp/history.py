"""Merge an ERP export into the known records of companies or exchanges. No history is lost.

Belongs here: table arithmetic with DuckDB over Arrow, without files. A record is a row of an export
with three more columns:

- SOURCE_FILE, LOADED_AT: the first file that contained the row unchanged, and when it was read;
- VANISHED_AT: when the first export without the row's identity was read; null while exports contain
  the identity.

A company has one record per day on which it changed; an exchange has one record. According to the
ERP, a symbol may belong to several companies, in succession or at the same time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from tempfile import gettempdir
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from stock_platform.erp.export import Export, ExportSchema

_PROVENANCE_COLUMNS: Final = ("SOURCE_FILE", "LOADED_AT", "VANISHED_AT")

# A million rows are joined within a gigabyte, the rest of the process included; more spills.
ENGINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "350MB",
    "preserve_insertion_order": False,
    "temp_directory": gettempdir(),
}


@dataclass(frozen=True)
class ExportProvenance:
    """Origin of an export.

    Attributes:
        file: name of its file.
        read_at: when the file was read.
        is_superseded: the same bytes were loaded before, and other bytes since.
    """

    file: str
    read_at: datetime
    is_superseded: bool = False


@dataclass(frozen=True)
class MergeResult:
    """Result of merging an export.

    Attributes:
        records: all known records after the merge.
        is_late: the export was older than the known records, so it changed none of them.
        outdated: number of rows of a late export that are older than a known record of their
            identity.
    """

    records: pa.Table
    is_late: bool
    outdated: int


def records_schema(schema: ExportSchema) -> pa.Schema:
    """Columns of records; timestamps are ISO 8601 text in UTC."""
    return pa.schema([(name, pa.string()) for name in (*schema.columns, *_PROVENANCE_COLUMNS)])


def merge_export(
    known: pa.Table | None, export: Export, schema: ExportSchema, provenance: ExportProvenance
) -> MergeResult:
    """Merge an export into the known records.

    An export contains the state of all companies or exchanges on one day. A row replaces the
    record of the same identity and day, and records of later days, because the ERP withdrew them.
    An identity that is missing from the export has vanished: its records are kept and marked. It
    has not vanished if one of its rows, or a row without a readable identity, was rejected.

    An export is late if it is superseded, or if its newest change is older than the newest known
    one, among the identities in both. If both are of the same day, the one with fewer changes on
    that day is older. A late export adds records of unknown days, and changes no known record.
    """
    tables = {
        "known": records_schema(schema).empty_table() if known is None else known,
        "accepted": export.accepted,
        "rejected": export.rejected,
    }
    is_older, outdated = _compare(tables, schema)
    is_late = is_older or provenance.is_superseded
    records = _query(
        _merge_sql(schema),
        tables,
        {
            "file": provenance.file,
            "read_at": provenance.read_at.isoformat(),
            "late": is_late,
            "has_unreadable_key": "" in export.rejected["KEY"].to_pylist(),
        },
    ).cast(records_schema(schema))
    return MergeResult(records, is_late, outdated if is_late else 0)


def _merge_sql(schema: ExportSchema) -> str:
    columns, identity = ", ".join(schema.columns), schema.identity
    day = schema.as_of or "''"
    return f"""
        WITH incoming AS (SELECT {columns}, {day} AS Day FROM accepted),
        record AS (SELECT *, {day} AS Day FROM known),
        kept AS (
          SELECT record.* FROM record
          LEFT JOIN incoming ON incoming.{identity} = record.{identity}
          WHERE incoming.Day IS NULL OR $late OR record.Day < incoming.Day
            OR ({_qualified("incoming", schema)}) = ({_qualified("record", schema)})
        ),
        added AS (
          SELECT incoming.*, $file AS SOURCE_FILE, $read_at AS LOADED_AT FROM incoming
          ANTI JOIN kept ON kept.{identity} = incoming.{identity} AND kept.Day = incoming.Day
        ),
        united AS (
          SELECT {columns}, SOURCE_FILE, LOADED_AT, VANISHED_AT FROM kept
          UNION ALL
          SELECT {columns}, SOURCE_FILE, LOADED_AT, NULL FROM added
        ),
        seen AS (
          SELECT {identity} AS Identity FROM accepted UNION SELECT KEY FROM rejected
        ),
        absent AS (
          SELECT {identity} AS Identity, MIN(VANISHED_AT) AS Since FROM known GROUP BY ALL
        )
        SELECT
          {_qualified("united", schema)}, SOURCE_FILE, LOADED_AT,
          CASE
            WHEN $late THEN absent.Since
            WHEN seen.Identity IS NOT NULL THEN NULL
            WHEN $has_unreadable_key THEN absent.Since
            ELSE COALESCE(absent.Since, $read_at)
          END AS VANISHED_AT
        FROM united
        LEFT JOIN seen ON seen.Identity = united.{identity}
        LEFT JOIN absent ON absent.Identity = united.{identity}
        ORDER BY ALL
    """  # noqa: S608 - names of the schema's columns


def _compare(tables: Mapping[str, pa.Table], schema: ExportSchema) -> tuple[bool, int]:
    """Return whether the export is older than the known records, and how many of its rows are."""
    if schema.as_of is None:
        return False, 0
    day, identity = schema.as_of, schema.identity
    (result,) = _query(
        f"""
        WITH newest AS (SELECT {identity}, MAX({day}) AS Known FROM known GROUP BY ALL),
        common AS (
          SELECT accepted.{day} AS Incoming, newest.Known
          FROM accepted JOIN newest USING ({identity})
        ),
        best AS (SELECT MAX(Incoming) AS Incoming, MAX(Known) AS Known FROM common)
        SELECT
          COUNT(*) FILTER (common.Incoming < common.Known) AS Outdated,
          COALESCE(
            MAX(best.Incoming) < MAX(best.Known) OR (
              MAX(best.Incoming) = MAX(best.Known)
              AND COUNT(*) FILTER (common.Incoming = best.Incoming)
                < COUNT(*) FILTER (common.Known = best.Known)
            ), FALSE) AS IsLate
        FROM common CROSS JOIN best
        """,  # noqa: S608 - names of the schema's columns
        tables,
    ).to_pylist()
    return bool(result["IsLate"]), int(result["Outdated"])


def company_versions(records: pa.Table) -> pa.Table:
    """Add the days between which each record of a company is valid.

    FROM_DAY is the first day, LAST_CHANGED. TO_DAY is the first day after, on which the company
    changed or another active company took its symbol; null if the record is still valid.

    If two active companies claim a symbol, a company in the newest export wins over one that
    vanished; otherwise the later claim wins. If both claims begin on the same day, the losing one
    was never valid: its TO_DAY is its FROM_DAY.

    FIRST marks a company's oldest record, unless another company claimed the symbol before.
    """
    return _query(
        """
        WITH states AS (
          SELECT
            *,
            LEAD(LAST_CHANGED) OVER of_item AS NextDay,
            ROW_NUMBER() OVER of_item = 1 AND ROW_NUMBER() OVER of_ticker = 1 AS FIRST
          FROM records
          WINDOW
            of_item AS (PARTITION BY ITEM_ID ORDER BY LAST_CHANGED),
            of_ticker AS (
              PARTITION BY TICKER ORDER BY LAST_CHANGED, VANISHED_AT NULLS FIRST, ITEM_ID
            )
        ),
        contested AS (
          SELECT TICKER FROM records GROUP BY TICKER HAVING COUNT(DISTINCT ITEM_ID) > 1
        ),
        claims AS (
          SELECT *, VANISHED_AT IS NULL AS IsExported FROM states
          SEMI JOIN contested USING (TICKER)
          WHERE ACTIVE = 'Y'
        ),
        taken AS (
          SELECT
            loser.ITEM_ID, loser.LAST_CHANGED,
            MIN(GREATEST(winner.LAST_CHANGED, loser.LAST_CHANGED)) AS TakenOn
          FROM claims AS loser
          JOIN claims AS winner
            ON winner.TICKER = loser.TICKER AND winner.ITEM_ID <> loser.ITEM_ID
            AND (winner.NextDay IS NULL OR winner.NextDay > loser.LAST_CHANGED)
            AND winner.IsExported >= loser.IsExported
            AND (
              winner.IsExported > loser.IsExported
              OR (winner.LAST_CHANGED, loser.ITEM_ID) > (loser.LAST_CHANGED, winner.ITEM_ID)
            )
          GROUP BY loser.ITEM_ID, loser.LAST_CHANGED
        )
        SELECT
          states.* EXCLUDE (NextDay), LAST_CHANGED AS FROM_DAY, LEAST(NextDay, TakenOn) AS TO_DAY
        FROM states
        LEFT JOIN taken USING (ITEM_ID, LAST_CHANGED)
        ORDER BY TICKER, FROM_DAY, ITEM_ID
        """,
        {"records": records},
    )


class Listing(NamedTuple):
    """A security under one of its symbols."""

    exchange: str
    symbol: str
    security_id: str


def active_days(records: pa.Table, trading_days: Sequence[str]) -> dict[Listing, tuple[date, ...]]:
    """Return the trading days on which a security was active under a symbol, ascending.

    A company's oldest record also applies to earlier days, because nothing else is known of them.
    """
    rows = _query(
        """
        SELECT EXCH_CODE, TICKER, ITEM_ID, Day
        FROM versions
        JOIN trading_days ON (versions.FIRST OR Day >= FROM_DAY)
          AND (TO_DAY IS NULL OR Day < TO_DAY)
        WHERE ACTIVE = 'Y'
        ORDER BY Day
        """,
        {
            "versions": company_versions(records),
            "trading_days": pa.table({"Day": list(trading_days)}),
        },
    ).to_pylist()
    days: dict[Listing, list[date]] = defaultdict(list)
    for row in rows:
        listing = Listing(row["EXCH_CODE"], row["TICKER"], row["ITEM_ID"])
        days[listing].append(date.fromisoformat(row["Day"]))
    return {listing: tuple(found) for listing, found in days.items()}


def _qualified(table: str, schema: ExportSchema) -> str:
    return ", ".join(f"{table}.{name}" for name in schema.columns)


def _query(
    statement: str, tables: Mapping[str, pa.Table], values: Mapping[str, object] | None = None
) -> pa.Table:
    with duckdb.connect(config=ENGINE) as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(statement, params=dict(values or {})).to_arrow_table()
