"""Warehouse tables, counted by SQL in the warehouse; facts by session."""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from stock_platform.contracts import FACT_STOCK_PRICE, STOCK_PRICE_ADJUSTED, Table
from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.publish import SessionMetrics, expected_rows, read_published
from stock_platform.quality.measures.dimensions import flaws
from stock_platform.quality.rules.tables import TableMeasure
from stock_platform.warehouse.port import Warehouse

# Listed symbols without a price, by session of the exchange that they were on: from a symbol's
# first price there on, to its last, or without end while the ERP calls it active.
_MISSING: Final = """
WITH stays AS (
  SELECT
    Ticker, ExchangeCode, MIN(TradeDate) AS FirstDate, MAX(TradeDate) AS LastDate,
    ROW_NUMBER() OVER (PARTITION BY Ticker ORDER BY MAX(TradeDate) DESC) = 1 AS IsNewest
  FROM fact_stock_price
  WHERE TradeDate >= '1900-01-01'
  GROUP BY Ticker, ExchangeCode
),
prices AS (
  SELECT Ticker, DateKey FROM fact_stock_price WHERE TradeDate IN UNNEST(@sessions)
)
SELECT DISTINCT days.FullDate AS Session, stays.Ticker
FROM stays
INNER JOIN dim_company AS company ON company.Symbol = stays.Ticker
INNER JOIN dim_trading_session AS open_day ON open_day.ExchangeCode = stays.ExchangeCode
INNER JOIN dim_date AS days ON days.DateKey = open_day.DateKey
LEFT JOIN prices AS price
  ON price.Ticker = stays.Ticker AND price.DateKey = open_day.DateKey
WHERE days.FullDate IN UNNEST(@sessions)
  AND days.FullDate > stays.FirstDate
  AND (days.FullDate < stays.LastDate OR (stays.IsNewest AND company.IsActive))
  AND price.Ticker IS NULL
ORDER BY Session, Ticker
"""
_OPEN_DAYS: Final = """
SELECT DISTINCT days.FullDate AS Session
FROM dim_trading_session AS open_day
INNER JOIN dim_date AS days ON days.DateKey = open_day.DateKey
WHERE days.FullDate IN UNNEST(@sessions)
"""


def whole_table(warehouse: Warehouse, table: Table) -> TableMeasure:
    """Rows, repeated keys and unresolved references of a table."""
    counted = _key_counts(warehouse, table, None)
    rows, duplicates = counted.get(None, (0, 0))
    orphans = {
        column: found.get(None, 0) for column, found in _orphans(warehouse, table, None).items()
    }
    return TableMeasure(
        rows,
        duplicates,
        orphans,
        flaws=flaws(warehouse, table),
        differs=tuple(warehouse.contract_differences(table)),
    )


def contract(warehouse: Warehouse, table: Table) -> TableMeasure:
    """How the table as a whole is made; its rows are counted by session elsewhere."""
    return TableMeasure(0, 0, differs=tuple(warehouse.contract_differences(table)))


def adjusted_view(warehouse: Warehouse) -> TableMeasure:
    """The adjusted view, whose rows must be those of the prices under it."""
    whole = whole_table(warehouse, STOCK_PRICE_ADJUSTED)
    facts = FACT_STOCK_PRICE
    (prices,) = warehouse.query(
        f"SELECT COUNT(*) AS n FROM {facts.name} WHERE {facts.all_rows_predicate}"
    )["n"]
    return replace(
        whole, stages={"prices against adjusted prices": (int(prices.as_py()), whole.rows)}
    )


def fact_sessions(
    paths: LakePaths,
    warehouse: Warehouse,
    table: Table,
    source: ProcessedTable,
    sessions: Sequence[str],
) -> dict[str, TableMeasure]:
    """The same by session of a fact, with the counts of the stages before it."""
    days = [date.fromisoformat(session) for session in sessions]
    counted = _key_counts(warehouse, table, days)
    orphans = _orphans(warehouse, table, days)
    missing = _missing(warehouse, days) if table is FACT_STOCK_PRICE else {}
    read = files.each(lambda session: _stages_before(paths, session), sessions)
    measures = {}
    for session, day, (metrics, raw_lines) in zip(sessions, days, read, strict=True):
        rows, duplicates = counted.get(day, (0, 0))
        measures[session] = TableMeasure(
            rows,
            duplicates,
            {column: found.get(day, 0) for column, found in orphans.items()},
            {
                "raw lines against lines processed": (raw_lines, metrics["lines_read"]),
                "processed rows against rows in the warehouse": (
                    expected_rows(metrics)[source],
                    rows,
                ),
            },
            tuple(missing.get(day, ())),
        )
    return measures


def _missing(warehouse: Warehouse, days: Sequence[date]) -> dict[date, list[str]]:
    found: dict[date, list[str]] = defaultdict(list)
    for row in warehouse.query(_MISSING, {"sessions": list(days)}).to_pylist():
        found[row["Session"]].append(row["Ticker"])
    known = warehouse.query(_OPEN_DAYS, {"sessions": list(days)})["Session"].to_pylist()
    for day in set(days).difference(known):
        found[day].append("dim_trading_session has no row of this session")
    return found


def _stages_before(paths: LakePaths, session: str) -> tuple[SessionMetrics, int]:
    """The job's metrics of a session, and how many lines its raw object has."""
    metrics: SessionMetrics = read_published(paths, session).manifest["metrics"]
    lines = gzip.decompress(files.read(paths.raw_prices(session))).splitlines()
    return metrics, sum(1 for line in lines if line.strip())


def _key_counts(
    warehouse: Warehouse, table: Table, days: Sequence[date] | None
) -> dict[date | None, tuple[int, int]]:
    """Rows and repeated keys, by session or (under None) of the whole table."""
    day, where, parameters = _scope(table, days)
    key = ", ".join(table.key)
    rows = warehouse.query(
        f"SELECT Session, SUM(n) AS RowsFound, SUM(n) - COUNT(*) AS Repeated "
        f"FROM (SELECT {day} AS Session, {key}, COUNT(*) AS n FROM {table.name} AS fact {where} "
        f"GROUP BY Session, {key}) GROUP BY Session",
        parameters,
    ).to_pylist()
    return {row["Session"]: (int(row["RowsFound"]), int(row["Repeated"])) for row in rows}


def _orphans(
    warehouse: Warehouse, table: Table, days: Sequence[date] | None
) -> dict[str, Mapping[date | None, int]]:
    """By referencing column: rows by session whose value the referenced column lacks."""
    day, where, parameters = _scope(table, days)
    found: dict[str, Mapping[date | None, int]] = {}
    for column, target, target_column in _references(table):
        rows = warehouse.query(
            f"SELECT {day} AS Session, COUNT(*) AS n FROM {table.name} AS fact "
            f"LEFT JOIN {target} AS dim ON dim.{target_column} = fact.{column} "
            f"{where or 'WHERE TRUE'} AND dim.{target_column} IS NULL "
            f"AND fact.{column} IS NOT NULL GROUP BY Session",
            parameters,
        ).to_pylist()
        found[column] = {row["Session"]: int(row["n"]) for row in rows}
    return found


def _references(table: Table) -> Iterable[tuple[str, str, str]]:
    for column in table.columns:
        if column.references:
            target, target_column = column.references.split(".")
            yield column.name, target, target_column


def _scope(table: Table, days: Sequence[date] | None) -> tuple[str, str, dict[str, Any]]:
    if days is None:
        return "CAST(NULL AS DATE)", "", {}
    where = f"WHERE fact.{table.session_column} IN UNNEST(@sessions)"
    return f"fact.{table.session_column}", where, {"sessions": list(days)}
