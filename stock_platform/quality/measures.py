"""What rules judge, read from the lake and the warehouse: sessions of assets, and tables.

Belongs here: reading and counting, the counting of tables by SQL in the warehouse. No judging.
"""

import gzip
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from stock_platform.contracts import Table
from stock_platform.lake import files, raw_erp, raw_prices
from stock_platform.lake.paths import ErpKind, LakePaths, ProcessedTable
from stock_platform.lake.publish import expected_rows, read_published, row_count
from stock_platform.quality.rules import ErpMeasure, ProcessedMeasure, RawSession, TableMeasure
from stock_platform.sources.erp import is_active
from stock_platform.warehouse.port import Warehouse


def raw_sessions(paths: LakePaths, sessions: Sequence[str]) -> dict[str, RawSession]:
    """The universe, and what each session's raw lines tell."""
    companies = raw_erp.load(paths, "companies").accepted
    expected = frozenset(row["TICKER"] for row in companies if is_active(row))
    return {
        session: RawSession(
            expected,
            frozenset(line["symbol"] for line in raw_prices.read(paths, session)),
            raw_prices.last_fetch(paths, session),
        )
        for session in sessions
    }


def erp_batch(paths: LakePaths, kind: ErpKind) -> ErpMeasure:
    """What became of the rows of the current ERP file."""
    batch = raw_erp.load(paths, kind)
    return ErpMeasure(
        len(batch.accepted),
        Counter(str(row["reason"]) for row in batch.rejected),
        sum(row["SOURCE_FILE"] != batch.source_file for row in batch.accepted),
    )


def processed_sessions(paths: LakePaths, sessions: Sequence[str]) -> dict[str, ProcessedMeasure]:
    """The job's metrics of each session, and the rows that its objects hold."""
    published = {session: read_published(paths, session) for session in sessions}
    return {
        session: ProcessedMeasure(
            it.manifest["metrics"],
            {table: row_count(uri) for table, uri in it.objects.items()},
        )
        for session, it in published.items()
    }


def whole_table(warehouse: Warehouse, table: Table) -> TableMeasure:
    """Rows, repeated keys and unresolved references of a table."""
    counted = _key_counts(warehouse, table, None)
    rows, duplicates = counted.get(None, (0, 0))
    orphans = {
        column: found.get(None, 0) for column, found in _orphans(warehouse, table, None).items()
    }
    return TableMeasure(rows, duplicates, orphans)


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
    measures = {}
    for session, day in zip(sessions, days, strict=True):
        rows, duplicates = counted.get(day, (0, 0))
        metrics = read_published(paths, session).manifest["metrics"]
        measures[session] = TableMeasure(
            rows,
            duplicates,
            {column: found.get(day, 0) for column, found in orphans.items()},
            {
                "raw lines against lines processed": (
                    _raw_lines(paths, session),
                    metrics["lines_read"],
                ),
                "processed rows against rows in the warehouse": (
                    expected_rows(metrics)[source],
                    rows,
                ),
            },
        )
    return measures


def _raw_lines(paths: LakePaths, session: str) -> int:
    lines = gzip.decompress(files.read(paths.raw_prices(session))).splitlines()
    return sum(1 for line in lines if line.strip())


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
