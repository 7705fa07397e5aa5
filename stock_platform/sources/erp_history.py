"""What an export means for what was known before: facts by identity and date, never lost.

Belongs here: pure table arithmetic, by DuckDB over Arrow. A fact is a row of the contract with

- SOURCE_FILE, LOADED_AT: the file that told it first as it stands, and when that was read;
- VANISHED_AT: when the first export was read that lacked its identity; null while none does.

A company may have many facts, one for each day on which it changed. An exchange has one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from tempfile import gettempdir
from typing import Final

import duckdb
import pyarrow as pa

from stock_platform.sources.erp import Contract, Export

_STAMPS: Final = ("SOURCE_FILE", "LOADED_AT", "VANISHED_AT")

# A million rows are joined within a gigabyte, the rest of the process included; more spills.
ENGINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "200MB",
    "temp_directory": gettempdir(),
}


def facts_schema(contract: Contract) -> pa.Schema:
    """The columns of facts; moments are ISO 8601 text in UTC."""
    return pa.schema([(name, pa.string()) for name in (*contract.columns, *_STAMPS)])


def learn(
    known: pa.Table | None, export: Export, contract: Contract, file: str, read_at: datetime
) -> pa.Table:
    """The facts after an export.

    A row of a day that is known already replaces that day's fact, unless the export is late: it
    tells an older state of some thing, and a newer one of none. A late export adds what nobody
    knew, and changes nothing. An identity that an export lacks has vanished: kept, and marked;
    one whose row was rejected has not.
    """
    columns = ", ".join(contract.columns)
    day = contract.as_of or "''"
    statement = f"""
        WITH told AS (SELECT {columns}, {day} AS Day FROM accepted),
        fact AS (SELECT *, {day} AS Day FROM known),
        newest AS (
          SELECT {contract.identity} AS Identity, MAX(Day) AS Day FROM fact GROUP BY ALL
        ),
        late AS (
          SELECT COALESCE(
            BOOL_OR(told.Day < newest.Day) AND NOT BOOL_OR(told.Day > newest.Day), FALSE
          ) AS It
          FROM told JOIN newest ON newest.Identity = told.{contract.identity}
        ),
        kept AS (
          SELECT fact.* FROM fact
          LEFT JOIN told ON told.{contract.identity} = fact.{contract.identity}
            AND told.Day = fact.Day
          WHERE told.Day IS NULL OR (SELECT It FROM late)
            OR ({_of("told", contract)}) = ({_of("fact", contract)})
        ),
        added AS (
          SELECT told.*, $file AS SOURCE_FILE, $read_at AS LOADED_AT FROM told
          ANTI JOIN kept ON kept.{contract.identity} = told.{contract.identity}
            AND kept.Day = told.Day
        ),
        united AS (
          SELECT {columns}, SOURCE_FILE, LOADED_AT, VANISHED_AT FROM kept
          UNION ALL
          SELECT {columns}, SOURCE_FILE, LOADED_AT, NULL FROM added
        ),
        seen AS (
          SELECT {contract.identity} AS Identity FROM accepted UNION SELECT KEY FROM rejected
        ),
        missed AS (
          SELECT {contract.identity} AS Identity, MIN(VANISHED_AT) AS Since FROM known GROUP BY ALL
        )
        SELECT
          {", ".join(f"united.{it}" for it in contract.columns)}, SOURCE_FILE, LOADED_AT,
          CASE
            WHEN (SELECT It FROM late) THEN missed.Since
            WHEN seen.Identity IS NULL THEN COALESCE(missed.Since, $read_at)
          END AS VANISHED_AT
        FROM united
        LEFT JOIN seen ON seen.Identity = united.{contract.identity}
        LEFT JOIN missed ON missed.Identity = united.{contract.identity}
        ORDER BY ALL
    """  # noqa: S608 - names of the contract's columns
    tables = {
        "known": facts_schema(contract).empty_table() if known is None else known,
        "accepted": export.accepted,
        "rejected": export.rejected,
    }
    return _ask(statement, tables, {"file": file, "read_at": read_at.isoformat()}).cast(
        facts_schema(contract)
    )


def company_versions(facts: pa.Table) -> pa.Table:
    """Facts of companies with the days between which each holds.

    FROM_DAY is the fact's own LAST_CHANGED; TO_DAY the first day on which it holds no more, null
    while it does: the company changed, or another company took its symbol. FIRST tells a
    company's oldest fact. Of two that claim a symbol since the same day, the one that an export
    lacks gives way.
    """
    return _ask(
        """
        WITH claims AS (
          SELECT *, LAST_CHANGED AS FROM_DAY FROM facts
          QUALIFY ROW_NUMBER() OVER (
            PARTITION BY TICKER, LAST_CHANGED ORDER BY VANISHED_AT NULLS FIRST, ITEM_ID
          ) = 1
        )
        SELECT
          *,
          LEAST(
            LEAD(FROM_DAY) OVER (PARTITION BY ITEM_ID ORDER BY FROM_DAY),
            LEAD(FROM_DAY) OVER (PARTITION BY TICKER ORDER BY FROM_DAY)
          ) AS TO_DAY,
          ROW_NUMBER() OVER (PARTITION BY ITEM_ID ORDER BY FROM_DAY) = 1 AS FIRST
        FROM claims
        ORDER BY TICKER, FROM_DAY
        """,
        {"facts": facts},
    )


def active_days(
    facts: pa.Table, sessions: Sequence[str]
) -> dict[tuple[str, str], tuple[date, ...]]:
    """By exchange and symbol: the sessions on which the company was active under it, ascending.

    Before a company's oldest fact that fact is taken: the ERP knew of it only then, and had it
    been something else, nothing would say what.
    """
    rows = _ask(
        """
        SELECT EXCH_CODE, TICKER, Session
        FROM versions
        JOIN sessions ON (versions.FIRST OR Session >= FROM_DAY)
          AND (TO_DAY IS NULL OR Session < TO_DAY)
        WHERE ACTIVE = 'Y'
        ORDER BY Session
        """,
        {"versions": company_versions(facts), "sessions": pa.table({"Session": list(sessions)})},
    ).to_pylist()
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for row in rows:
        days[row["EXCH_CODE"], row["TICKER"]].append(date.fromisoformat(row["Session"]))
    return {listing: tuple(found) for listing, found in days.items()}


def _of(table: str, contract: Contract) -> str:
    return ", ".join(f"{table}.{name}" for name in contract.columns)


def _ask(
    statement: str, tables: Mapping[str, pa.Table], values: Mapping[str, str] | None = None
) -> pa.Table:
    with duckdb.connect(config=ENGINE) as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(statement, params=dict(values or {})).to_arrow_table()
