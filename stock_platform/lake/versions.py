"""Rows of the processed layer, as its live parts contain them.

Each row of a part is a version of a price, a corporate action or a quarantined record. The current
row of a key is its newest version, unless that one is withdrawn.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.contracts.versions import WITHDRAWN, with_versions
from stock_platform.lake import files
from stock_platform.lake.commits import Commit
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths, ProcessedTable
from stock_platform.lake.processed import ProcessedState, part_uri

# Each fact with the processed table that is its source.
FACT_SOURCES: Final[Mapping[str, ProcessedTable]] = {
    FACT_STOCK_PRICE.name: "stock_prices",
    FACT_CORPORATE_ACTION.name: "corporate_actions",
}
READ: Final = "read_parquet($uris, hive_partitioning = false)"

_PRICES: Final = arrow_schema(with_versions(FACT_STOCK_PRICE))
VERSION_SCHEMAS: Final[Mapping[ProcessedTable, pa.Schema]] = {
    "stock_prices": _PRICES,
    "corporate_actions": arrow_schema(with_versions(FACT_CORPORATE_ACTION)),
    "quarantine": pa.schema(
        [
            _PRICES.field("TradeDate"),
            _PRICES.field("SecurityId").with_nullable(nullable=True),
            _PRICES.field("Ticker").with_nullable(nullable=True),
            pa.field("Reason", pa.string(), nullable=False),
            pa.field("Record", pa.string(), nullable=False),
            *map(_PRICES.field, ("BatchId", "KnownFrom", "Change")),
        ]
    ),
}
VERSION_KEYS: Final[Mapping[ProcessedTable, tuple[str, ...]]] = {
    "stock_prices": ("SecurityId", "TradeDate"),
    "corporate_actions": ("SecurityId", "TradeDate", "ActionType"),
    "quarantine": ("TradeDate", "SecurityId", "Ticker", "Reason", "Record"),
}


def current_rows(
    paths: LakePaths,
    state: ProcessedState,
    table: ProcessedTable,
    sessions: Sequence[str],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return the current rows of some sessions, ordered by day and key.

    Args:
        paths: paths of the lake.
        state: the state to read.
        table: the processed table.
        sessions: ascending.
        columns: by default all.
    """
    parts = state.parts(table, sessions)
    names = columns or VERSION_SCHEMAS[table].names
    schema = pa.schema([VERSION_SCHEMAS[table].field(name) for name in names])
    if not parts:
        return schema.empty_table()
    key = ", ".join(VERSION_KEYS[table])
    # Names come from the schemas above.
    query = f"""
        SELECT {", ".join(names)} FROM (
          SELECT * FROM {READ}
          WHERE TradeDate IN (SELECT unnest($sessions)::DATE)
          QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY KnownFrom DESC) = 1
        ) AS newest
        WHERE Change <> '{WITHDRAWN}' ORDER BY TradeDate, {key}
    """  # noqa: S608
    uris = [part_uri(paths, part) for part in parts]
    return _query(query, uris, {"sessions": list(sessions)}).cast(schema)


def batch_rows(
    paths: LakePaths, state: ProcessedState, batch: Commit, table: ProcessedTable
) -> pa.Table:
    """Return the versions that a batch has written."""
    parts = state.parts(table, batch.sessions)
    schema = VERSION_SCHEMAS[table]
    if not parts or not batch.rows(table):
        return schema.empty_table()
    return _query(
        f"SELECT {', '.join(schema.names)} FROM {READ} WHERE BatchId = $batch_id",  # noqa: S608
        [part_uri(paths, part) for part in parts],
        {"batch_id": batch.batch_id},
    ).cast(schema)


def _query(sql: str, uris: Sequence[str], parameters: Mapping[str, object]) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files.register_with_duckdb(connection, uris)
        try:
            return connection.sql(sql, params={"uris": uris, **parameters}).to_arrow_table()
        except duckdb.Error as error:
            raise CorruptObjectError(
                f"one of {', '.join(uris)} is missing or damaged ({error}): run the job "
                "`rebuild_processed_prices`"
            ) from error


def rows_by_session(rows: pa.Table) -> dict[str, int]:
    """Return the number of rows per session."""
    counts = rows["TradeDate"].value_counts().to_pylist()
    return {count["values"].isoformat(): count["counts"] for count in counts}
