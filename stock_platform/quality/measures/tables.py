"""Measure warehouse tables by SQL; fact tables are measured per session."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from stock_platform.contracts import (
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
    Table,
)
from stock_platform.lake import raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.lake.versions import FACT_SOURCES, current_rows, rows_by_session
from stock_platform.quality.measures.dimensions import flaws
from stock_platform.quality.rules.tables import TableMeasure
from stock_platform.warehouse.interface import Warehouse

# Listed symbols without a price, by session of their exchange: between the first and the last price
# of a symbol there, or until today while the ERP calls it active.
_MISSING_PRICES: Final = """
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


def measure_table(warehouse: Warehouse, table: Table) -> TableMeasure:
    """Measure a table as a whole."""
    rows, duplicates = _key_counts(warehouse, table, None).get(None, (0, 0))
    orphans = _orphans(warehouse, table, None)
    return replace(
        measure_contract(warehouse, table),
        rows=rows,
        duplicate_keys=duplicates,
        orphans={column: found.get(None, 0) for column, found in orphans.items()},
        flaws=flaws(warehouse, table),
    )


def measure_contract(warehouse: Warehouse, table: Table) -> TableMeasure:
    """Compare a table with its contract, without counting its rows."""
    return TableMeasure(0, 0, contract_differences=tuple(warehouse.contract_differences(table)))


def measure_adjusted_view(warehouse: Warehouse) -> TableMeasure:
    """Measure the adjusted view, which must have as many rows as the prices that it adjusts."""
    view = measure_table(warehouse, STOCK_PRICE_ADJUSTED)
    facts = FACT_STOCK_PRICE
    (prices,) = warehouse.query(
        f"SELECT COUNT(*) AS n FROM {facts.name} WHERE {facts.all_rows_predicate}"
    )["n"]
    stages = {"prices against adjusted prices": (int(prices.as_py()), view.rows)}
    return replace(view, stages=stages)


def measure_fact_sessions(
    paths: LakePaths, warehouse: Warehouse, table: Table, sessions: Sequence[str]
) -> dict[str, TableMeasure]:
    """Measure sessions of a fact table, and compare their counts with the stages before it."""
    days = [date.fromisoformat(session) for session in sessions]
    counted = _key_counts(warehouse, table, days)
    orphans = _orphans(warehouse, table, days)
    missing = _missing_prices(warehouse, days) if table is FACT_STOCK_PRICE else {}
    state = read_state(paths)
    current = current_rows(paths, state, FACT_SOURCES[table.name], sessions, ["TradeDate"])
    processed_rows = rows_by_session(current)
    runs = raw_runs.usable_runs(paths, sessions)
    measures = {}
    for session, day in zip(sessions, days, strict=True):
        processed = state.processed_runs(session)
        records = {str(run.name): sum(run.outcomes(session).values()) for run in runs}
        rows, duplicates = counted.get(day, (0, 0))
        measures[session] = TableMeasure(
            rows,
            duplicates,
            {column: found.get(day, 0) for column, found in orphans.items()},
            {
                "raw records against records processed": (
                    sum(records.values()),
                    sum(count for run, count in records.items() if run in processed),
                ),
                "processed rows against rows in the warehouse": (
                    processed_rows.get(session, 0),
                    rows,
                ),
            },
            tuple(missing.get(day, ())),
        )
    return measures


def _missing_prices(warehouse: Warehouse, days: Sequence[date]) -> dict[date, list[str]]:
    found: dict[date, list[str]] = defaultdict(list)
    for row in warehouse.query(_MISSING_PRICES, {"sessions": list(days)}).to_pylist():
        found[row["Session"]].append(row["Ticker"])
    known = warehouse.query(_OPEN_DAYS, {"sessions": list(days)})["Session"].to_pylist()
    for day in set(days).difference(known):
        found[day].append("dim_trading_session has no row for this session")
    return found


def _key_counts(
    warehouse: Warehouse, table: Table, days: Sequence[date] | None
) -> dict[date | None, tuple[int, int]]:
    """Count rows and repeated keys, by session or (under None) in the whole table."""
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
    """Count rows whose value is missing in the referenced column, by column and session."""
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
