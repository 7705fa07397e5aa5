"""The BigQuery script that applies versions to the facts, in one transaction.

Belongs here: the SQL and its parameters. `bigquery` stages the versions and runs the script.

Limits of BigQuery (2026-11) and a replay of 25 years of 500 symbols, which has 3.3 million versions
in 300 months and 8 loads:

- 8 load jobs, each into a staging table of its own: 100,000 are allowed per project and day, 1,500
  per table. Each has at most 300 URIs of 10,000.
- One script of about 100 statements in one transaction. It changes 3 tables of 100, and each month
  of a fact at most three times (rebuild, deletion, insertion): 1,800 changes of partitions of
  100,000. DML has no daily quota.
- Each statement is billed for at least 10 MB per table, so a load of both facts costs about 0.2 GB.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stock_platform.contracts import LOAD_LOG
from stock_platform.contracts.versions import WITHDRAWN
from stock_platform.lake.commits import Commit
from stock_platform.warehouse.interface import (
    FACTS,
    VersionLoad,
)

# Scripts have no parameters for tables; the names are the contract's and a digest.
_BEGIN: Final = """\
DECLARE before, deleted, inserted INT64;
DECLARE {counters} INT64 DEFAULT 0;
BEGIN
  BEGIN TRANSACTION;
"""
# The last statement changes no row. It makes concurrent loads conflict, which insertions do not.
_REQUIRE_NEW: Final = """\
  ASSERT NOT EXISTS (
    SELECT 1 FROM load_log WHERE BatchId IN UNNEST(@batches) OR Sequence >= @first_sequence
  ) AS 'a batch of the load was applied meanwhile by another load; nothing was changed';
  DELETE FROM load_log WHERE BatchId IN UNNEST(@batches);
"""
_CLEAR: Final = """\
  DELETE FROM {table} WHERE {all_rows};
  SET {table}_replaced = @@row_count;
"""
_NEWEST: Final = """\
    SELECT version.* FROM {staging} AS version
    INNER JOIN UNNEST(@batches) AS batch WITH OFFSET AS place ON batch = version.BatchId
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY place DESC) = 1
"""
_APPLY: Final = """\
  ASSERT (SELECT COUNT(*) FROM {staging} WHERE BatchId IN UNNEST(@batches)) = @rows_{number}
    AS '{table}: the parts hold another number of versions than expected; nothing was changed';
  ASSERT NOT EXISTS (
    SELECT 1 FROM {staging} AS version WHERE BatchId IN UNNEST(@batches)
    GROUP BY BatchId, {key} HAVING COUNT(*) > 1
  ) AS '{table}: a batch has two versions of a key; nothing was changed';
  SET before = (SELECT COUNT(*) FROM {table} AS fact WHERE {dates});
  DELETE FROM {table} AS fact WHERE {dates} AND EXISTS (
    SELECT 1 FROM {staging} AS version
    WHERE version.BatchId IN UNNEST(@batches) AND {same_key}
  );
  SET deleted = @@row_count;
  INSERT INTO {table} ({columns}) SELECT {columns} FROM (
{newest}  ) AS newest WHERE {live};
  SET inserted = @@row_count;
  ASSERT (SELECT COUNT(*) FROM {table} AS fact WHERE {dates}) = before - deleted + inserted
    AS '{table}: the parts hold rows of other dates than expected; nothing was changed';
  ASSERT (
    SELECT COUNT(*) FROM {table} AS fact INNER JOIN (
{newest}    ) AS version ON {same_key} WHERE {dates} AND version.{live}
  ) = inserted AS '{table}: a key of the load is there twice; nothing was changed';
  SET {table}_replaced = {table}_replaced + deleted;
  SET {table}_rows = {table}_rows + inserted;
"""
_LOG: Final = """\
  INSERT INTO load_log ({columns})
  SELECT
    @sequences[OFFSET(place)], batch, @known_from[OFFSET(place)], @price_rows[OFFSET(place)],
    @action_rows[OFFSET(place)], CURRENT_TIMESTAMP()
  FROM UNNEST(@batches) AS batch WITH OFFSET AS place;
"""
_COMMIT: Final = """\
  COMMIT TRANSACTION;
EXCEPTION WHEN ERROR THEN
  ROLLBACK TRANSACTION;
  RAISE USING MESSAGE = @@error.message;
END;
SELECT {counters};
"""


def apply_script(
    loads: Mapping[str, VersionLoad], batches: Sequence[Commit], *, rebuild: bool
) -> tuple[str, dict[str, Any]]:
    """Return the script and its parameters. Its result has one column per number of a `Load`.

    Args:
        loads: the loads, by the table in which their versions are staged.
        batches: the batches to apply.
        rebuild: whether to delete all rows before.
    """
    parameters = _parameters(batches)
    for number, load in enumerate(loads.values()):
        parameters |= {
            f"rows_{number}": load.rows,
            f"first_{number}": load.first,
            f"last_{number}": load.last,
        }
    counters = ", ".join(f"{fact.name}_rows, {fact.name}_replaced" for fact in FACTS)
    statements = _statements(loads, counters, has_batches=bool(batches), rebuild=rebuild)
    return "".join(statements), parameters


def _statements(
    loads: Mapping[str, VersionLoad], counters: str, *, has_batches: bool, rebuild: bool
) -> Iterator[str]:
    yield _BEGIN.format(counters=counters)
    if rebuild:
        for fact in FACTS:
            yield _CLEAR.format(table=fact.name, all_rows=fact.all_rows_predicate)
        yield "  DELETE FROM load_log WHERE TRUE;\n"
    if has_batches:
        yield _REQUIRE_NEW
    for number, (staging, load) in enumerate(loads.items()):
        key = load.table.key
        names = {"staging": staging, "key": ", ".join(f"version.{column}" for column in key)}
        yield _APPLY.format(
            number=number,
            table=load.table.name,
            columns=", ".join(load.table.column_names),
            dates=f"fact.{load.table.session_column} BETWEEN @first_{number} AND @last_{number}",
            same_key=" AND ".join(f"fact.{column} = version.{column}" for column in key),
            live=f"Change <> '{WITHDRAWN}'",
            newest=_NEWEST.format(**names),
            **names,
        )
    if has_batches:
        yield _LOG.format(columns=", ".join(LOAD_LOG.column_names))
    yield _COMMIT.format(counters=counters)


def _parameters(batches: Sequence[Commit]) -> dict[str, Any]:
    if not batches:
        return {}
    return {
        "batches": [batch.batch_id for batch in batches],
        "first_sequence": batches[0].sequence,
        "sequences": [batch.sequence for batch in batches],
        "known_from": [batch.known_from for batch in batches],
        "price_rows": [batch.rows("stock_prices") for batch in batches],
        "action_rows": [batch.rows("corporate_actions") for batch in batches],
    }
