"""What an export means for what was known before: facts by identity and date, never lost.

Belongs here: pure table arithmetic, by DuckDB over Arrow. A fact is a row of the contract with

- SOURCE_FILE, LOADED_AT: the file that told it first as it stands, and when that was read;
- VANISHED_AT: when the first export was read that lacked its identity; null while none does.

A company may have many facts, one for each day on which it changed. An exchange has one.

Two companies may have had one symbol, one after the other; by the ERP's word even at once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from tempfile import gettempdir
from typing import Final

import duckdb
import pyarrow as pa

from stock_platform.sources.erp import Contract, Export

_STAMPS: Final = ("SOURCE_FILE", "LOADED_AT", "VANISHED_AT")

# A million rows are joined within a gigabyte, the rest of the process included; more spills.
ENGINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "350MB",
    "preserve_insertion_order": False,
    "temp_directory": gettempdir(),
}


@dataclass(frozen=True)
class Told:
    """Where an export comes from.

    Attributes:
        file: its name.
        read_at: when it was read.
        superseded: whether the same bytes were loaded before, and others since.
    """

    file: str
    read_at: datetime
    superseded: bool = False


def facts_schema(contract: Contract) -> pa.Schema:
    """The columns of facts; moments are ISO 8601 text in UTC."""
    return pa.schema([(name, pa.string()) for name in (*contract.columns, *_STAMPS)])


@dataclass(frozen=True)
class Learned:
    """What an export led to.

    Attributes:
        facts: those that are known after it.
        is_late: whether it was older than what was known, and so changed none of it.
        outdated: how many of its rows tell an older state than is known, if it was late.
    """

    facts: pa.Table
    is_late: bool
    outdated: int


def learn(
    known: pa.Table | None,
    export: Export,
    contract: Contract,
    told: Told,
) -> Learned:
    """The facts after an export.

    An export is the state of all things on one day. A row replaces its identity's fact of the
    same day, and those of later days, for the ERP took them back. An identity that the export
    lacks has vanished: kept, and marked, unless its row was rejected or a rejected row may be
    anybody's.

    An export is late where those that it has in common with the facts changed before: on the
    newest day that both tell of, it tells of fewer changes. So is one that was superseded. A late
    export adds what nobody knew, and changes nothing.
    """
    tables = {
        "known": facts_schema(contract).empty_table() if known is None else known,
        "accepted": export.accepted,
        "rejected": export.rejected,
    }
    is_late = told.superseded or _is_late(tables, contract)
    facts = _ask(
        _learn_statement(contract),
        tables,
        {
            "file": told.file,
            "read_at": told.read_at.isoformat(),
            "late": is_late,
            "nameless": "" in export.rejected["KEY"].to_pylist(),
        },
    ).cast(facts_schema(contract))
    return Learned(facts, is_late, _outdated(tables, contract) if is_late else 0)


def _learn_statement(contract: Contract) -> str:
    columns, identity = ", ".join(contract.columns), contract.identity
    day = contract.as_of or "''"
    return f"""
        WITH told AS (SELECT {columns}, {day} AS Day FROM accepted),
        fact AS (SELECT *, {day} AS Day FROM known),
        kept AS (
          SELECT fact.* FROM fact
          LEFT JOIN told ON told.{identity} = fact.{identity}
          WHERE told.Day IS NULL OR $late OR fact.Day < told.Day
            OR ({_of("told", contract)}) = ({_of("fact", contract)})
        ),
        added AS (
          SELECT told.*, $file AS SOURCE_FILE, $read_at AS LOADED_AT FROM told
          ANTI JOIN kept ON kept.{identity} = told.{identity} AND kept.Day = told.Day
        ),
        united AS (
          SELECT {columns}, SOURCE_FILE, LOADED_AT, VANISHED_AT FROM kept
          UNION ALL
          SELECT {columns}, SOURCE_FILE, LOADED_AT, NULL FROM added
        ),
        seen AS (
          SELECT {identity} AS Identity FROM accepted UNION SELECT KEY FROM rejected
        ),
        missed AS (
          SELECT {identity} AS Identity, MIN(VANISHED_AT) AS Since FROM known GROUP BY ALL
        )
        SELECT
          {", ".join(f"united.{it}" for it in contract.columns)}, SOURCE_FILE, LOADED_AT,
          CASE
            WHEN $late THEN missed.Since
            WHEN seen.Identity IS NOT NULL THEN NULL
            WHEN $nameless THEN missed.Since
            ELSE COALESCE(missed.Since, $read_at)
          END AS VANISHED_AT
        FROM united
        LEFT JOIN seen ON seen.Identity = united.{identity}
        LEFT JOIN missed ON missed.Identity = united.{identity}
        ORDER BY ALL
    """  # noqa: S608 - names of the contract's columns


def _common(contract: Contract) -> str:
    """By identity that is told and known: the day told, and the newest day known."""
    day, identity = contract.as_of or "''", contract.identity
    return f"""
        WITH newest AS (SELECT {identity}, MAX({day}) AS Known FROM known GROUP BY ALL),
        common AS (
          SELECT accepted.{day if contract.as_of else identity} AS Told, newest.Known
          FROM accepted JOIN newest USING ({identity})
        )
    """  # noqa: S608 - names of the contract's columns


def _is_late(tables: Mapping[str, pa.Table], contract: Contract) -> bool:
    if contract.as_of is None:
        return False
    answer = _ask(
        f"""
        {_common(contract)},
        best AS (SELECT MAX(Told) AS Told, MAX(Known) AS Known FROM common)
        SELECT COALESCE(
          best.Told < best.Known OR (
            best.Told = best.Known
            AND COUNT(*) FILTER (common.Told = best.Told)
              < COUNT(*) FILTER (common.Known = best.Known)
          ), FALSE) AS It
        FROM common CROSS JOIN best GROUP BY best.Told, best.Known
        """,  # noqa: S608 - names of the contract's columns
        tables,
    )
    return bool(answer["It"].to_pylist() == [True])


def _outdated(tables: Mapping[str, pa.Table], contract: Contract) -> int:
    if contract.as_of is None:
        return 0
    statement = f"{_common(contract)} SELECT COUNT(*) AS n FROM common WHERE Told < Known"  # noqa: S608
    return int(_ask(statement, tables)["n"][0].as_py())


def company_versions(facts: pa.Table) -> pa.Table:
    """Facts of companies with the days between which each holds.

    FROM_DAY is the fact's own LAST_CHANGED; TO_DAY the first day on which it holds no more, null
    while it does: the company changed, or another active one took its symbol. Of two active
    companies that claim a symbol, one that the exports still have wins over one that vanished,
    and else the later claim; of claims since the same day one never held (TO_DAY is FROM_DAY).
    FIRST tells a company's oldest fact, where no other claimed its symbol before.
    """
    return _ask(
        """
        WITH states AS (
          SELECT
            *,
            LEAD(LAST_CHANGED) OVER of_item AS NextDay,
            ROW_NUMBER() OVER of_item = 1 AND ROW_NUMBER() OVER of_ticker = 1 AS FIRST
          FROM facts
          WINDOW
            of_item AS (PARTITION BY ITEM_ID ORDER BY LAST_CHANGED),
            of_ticker AS (
              PARTITION BY TICKER ORDER BY LAST_CHANGED, VANISHED_AT NULLS FIRST, ITEM_ID
            )
        ),
        contested AS (
          SELECT TICKER FROM facts GROUP BY TICKER HAVING COUNT(DISTINCT ITEM_ID) > 1
        ),
        claims AS (
          SELECT *, VANISHED_AT IS NULL AS IsTold FROM states
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
            AND winner.IsTold >= loser.IsTold
            AND (
              winner.IsTold > loser.IsTold
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
    statement: str, tables: Mapping[str, pa.Table], values: Mapping[str, object] | None = None
) -> pa.Table:
    with duckdb.connect(config=ENGINE) as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(statement, params=dict(values or {})).to_arrow_table()
