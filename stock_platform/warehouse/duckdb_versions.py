"""Application of versions to the facts of a DuckDB database, within the caller's transaction.

Names come from the contracts and values are parameters, so SQL never contains outside text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from stock_platform.contracts.versions import WITHDRAWN
from stock_platform.lake import files
from stock_platform.lake.commits import Commit
from stock_platform.warehouse.interface import (
    FACTS,
    Load,
    VersionLoad,
    WarehouseError,
    require_all_versions,
    require_contract,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The rows of load_log to insert.
_BATCHES: Final = "applied_batches"
# Temporary tables: the versions of a load, and their keys with more than one version.
_VERSIONS: Final = "incoming_versions"
_REPEATED: Final = "repeated_keys"


def apply_versions(
    connection: "DuckDBPyConnection",
    loads: Iterable[VersionLoad],
    batches: Sequence[Commit],
    *,
    rebuild: bool,
) -> dict[str, Load]:
    """Apply batches, as `Warehouse.apply` describes. One load is staged at a time."""
    _list_batches(connection, batches)
    rows = Counter[str]()
    replaced = Counter[str]()
    if rebuild:
        for fact in FACTS:
            replaced[fact.name] = _number(connection, f"DELETE FROM {fact.name}")
        connection.execute("DELETE FROM load_log")
    _require_new(connection)
    done: list[VersionLoad] = []
    for load in loads:
        _stage(connection, load)
        _keep_newest(connection, load)
        deleted, inserted = _replace(connection, load)
        replaced[load.table.name] += deleted
        rows[load.table.name] += inserted
        for name in (_VERSIONS, _REPEATED):
            connection.execute(f"DROP TABLE {name}")
        done.append(load)
    require_all_versions(done, batches)
    connection.execute(f"INSERT INTO load_log SELECT * FROM {_BATCHES}")
    return {fact.name: Load(rows[fact.name], replaced[fact.name]) for fact in FACTS}


def _list_batches(connection: "DuckDBPyConnection", batches: Sequence[Commit]) -> None:
    """Create a temporary table with the rows of load_log to insert."""
    connection.execute(f"CREATE TEMP TABLE {_BATCHES} AS SELECT * FROM load_log WHERE FALSE")
    if batches:
        # One list per column: inserting row by row takes seconds for the batches of years.
        columns = [
            [batch.sequence for batch in batches],
            [batch.batch_id for batch in batches],
            [batch.known_from for batch in batches],
            [batch.rows("stock_prices") for batch in batches],
            [batch.rows("corporate_actions") for batch in batches],
        ]
        unnested = ", ".join(["unnest(?)"] * len(columns))
        connection.execute(
            f"INSERT INTO {_BATCHES} SELECT {unnested}, ?", [*columns, datetime.now(UTC)]
        )


def _require_new(connection: "DuckDBPyConnection") -> None:
    """Require that neither the batches nor later ones are in load_log."""
    found = connection.execute(
        f"SELECT BatchId FROM load_log WHERE BatchId IN (SELECT BatchId FROM {_BATCHES}) "
        f"OR Sequence >= (SELECT MIN(Sequence) FROM {_BATCHES}) ORDER BY Sequence LIMIT 1"
    ).fetchall()
    for (batch_id,) in found:
        raise WarehouseError(
            f"batch {batch_id} was applied meanwhile by another load; nothing was changed"
        )


def _stage(connection: "DuckDBPyConnection", load: VersionLoad) -> None:
    """Copy the versions of the batches into a temporary table, and verify their number."""
    list(files.map_concurrently(partial(require_contract, load.table), load.uris))
    files.register_with_duckdb(connection, load.uris)
    connection.execute(
        f"""
        CREATE TEMP TABLE {_VERSIONS} AS
        SELECT version.*, batch.Sequence
        FROM read_parquet($uris, hive_partitioning = false) AS version
        INNER JOIN {_BATCHES} AS batch USING (BatchId)
        """,
        {"uris": list(load.uris)},
    )
    ((found,),) = connection.execute(f"SELECT COUNT(*) FROM {_VERSIONS}").fetchall()
    if found != load.rows:
        raise WarehouseError(
            f"{load.table.name}: expected {load.rows:,} versions, found {found:,} in the parts; "
            "nothing was changed"
        )


def _keep_newest(connection: "DuckDBPyConnection", load: VersionLoad) -> None:
    """Delete versions that a later batch of the load supersedes."""
    key = ", ".join(load.table.key)
    connection.execute(
        f"CREATE TEMP TABLE {_REPEATED} AS SELECT {key}, MAX(Sequence) AS Newest "
        f"FROM {_VERSIONS} GROUP BY {key} HAVING COUNT(*) > 1"
    )
    twice = connection.execute(
        f"SELECT BatchId, {key} FROM {_VERSIONS} SEMI JOIN {_REPEATED} USING ({key}) "
        f"GROUP BY BatchId, {key} HAVING COUNT(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchall()
    for batch_id, *values in twice:
        raise WarehouseError(
            f"{load.table.name}: batch {batch_id} has two versions of {values}; nothing was changed"
        )
    connection.execute(
        f"DELETE FROM {_VERSIONS} AS version USING {_REPEATED} AS fact "
        f"WHERE {_same_key(load)} AND version.Sequence < fact.Newest"
    )


def _replace(connection: "DuckDBPyConnection", load: VersionLoad) -> tuple[int, int]:
    """Replace the rows of the staged keys. Return the number of deleted and inserted rows."""
    name, columns = load.table.name, ", ".join(load.table.column_names)
    # Constants, so that DuckDB skips the row groups of other dates.
    dates = f"fact.{load.table.session_column} BETWEEN $first AND $last"
    bounds = {"first": load.first, "last": load.last}
    count = f"SELECT COUNT(*) FROM {name} AS fact WHERE {dates}"
    live = f"Change <> '{WITHDRAWN}'"
    before = _number(connection, count, bounds)
    deleted = _number(
        connection,
        f"DELETE FROM {name} AS fact USING {_VERSIONS} AS version "
        f"WHERE {dates} AND {_same_key(load)}",
        bounds,
    )
    inserted = _number(
        connection,
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_VERSIONS} WHERE {live}",
    )
    after = _number(connection, count, bounds)
    present = _number(
        connection,
        f"SELECT COUNT(*) FROM {name} AS fact INNER JOIN {_VERSIONS} AS version "
        f"ON {_same_key(load)} WHERE {dates} AND version.{live}",
        bounds,
    )
    if after != before - deleted + inserted or present != inserted:
        raise WarehouseError(
            f"{name}: {before:,} rows from {load.first} to {load.last}, {deleted:,} deleted and "
            f"{inserted:,} inserted, but {after:,} rows after that, {present:,} of them with the "
            "keys of the load; nothing was changed"
        )
    return deleted, inserted


def _same_key(load: VersionLoad) -> str:
    return " AND ".join(f"fact.{column} = version.{column}" for column in load.table.key)


def _number(
    connection: "DuckDBPyConnection", sql: str, parameters: Mapping[str, Any] | None = None
) -> int:
    """Return a count, or the number of rows that a statement changed."""
    ((number,),) = connection.execute(sql, parameters).fetchall()
    return int(number)
