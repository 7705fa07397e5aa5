"""Migrate a deployment of version 0.1.0: raw runs, batches of versions, and names.

The facts of the warehouse are replaced last: jobs reject the deployment until then, so that a
migration that was interrupted is noticed, and resumed by running it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT, TABLES
from stock_platform.contracts.renamed import RENAMED_CHECKS, outdated_columns
from stock_platform.contracts.render import arrow_schema
from stock_platform.erp import store
from stock_platform.erp.history import active_days
from stock_platform.erp.store import NoErpFileError
from stock_platform.lake.migrate_check_results import (
    count_outdated,
    migrate_check_results,
    rename_checks,
)
from stock_platform.lake.migrate_processed import ProcessedMigration, migrate_processed
from stock_platform.lake.migrate_raw import migrate_raw_prices
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.plain_text import pluralise
from stock_platform.warehouse.interface import FACTS, Warehouse
from stock_platform.warehouse.load import apply_pending

# All results of the runs, because a run's results are replaced as a whole.
_RESULTS: Final = f"""
SELECT {", ".join(ASSET_CHECK_RESULT.column_names)} FROM asset_check_result WHERE RunId IN (
  SELECT RunId FROM asset_check_result WHERE CheckName IN UNNEST(@names)
)
"""  # noqa: S608 - names come from the contract


@dataclass(frozen=True)
class Migration:
    """Result of a migration.

    Attributes:
        changes: kinds of data that were changed, or would be by a dry run, with their number.
        problems: one sentence per object that could not be changed.
    """

    changes: list[str]
    problems: list[str]


def migrate(paths: LakePaths, warehouse: Warehouse, *, dry_run: bool) -> Migration:
    """Migrate the lake, then the warehouse. Idempotent.

    Raises:
        WarehouseError: the warehouse rejected it. The lake is migrated.
    """
    in_lake = migrate_lake(paths, dry_run=dry_run)
    changes = [*in_lake.changes]
    if warehouse.columns(ASSET_CHECK_RESULT):
        changes += _migrate_results(warehouse, dry_run=dry_run)
    renames = {
        table: names
        for table in TABLES.values()
        if (names := outdated_columns(table, warehouse.columns(table)))
    }
    for table, names in renames.items():
        renamed = ", ".join(f"{old} -> {new}" for old, new in names.items())
        changes.append(f"{table.name}: columns {renamed}")
    if renames and not dry_run:
        warehouse.rename_columns(renames)
    changes += _fill_facts(paths, warehouse, dry_run=dry_run)
    return Migration(changes, in_lake.problems)


def migrate_lake(paths: LakePaths, *, dry_run: bool) -> Migration:
    """Copy raw prices into raw runs, commit processed sessions, and rename checks in the lake."""
    security_ids = partial(_security_ids, paths)
    raw = migrate_raw_prices(paths, security_ids, dry_run=dry_run)
    processed = migrate_processed(paths, security_ids, dry_run=dry_run)
    renamed, damaged_results = migrate_check_results(paths, dry_run=dry_run)
    changes = []
    if raw.sessions:
        changes.append(
            f"{paths.raw_runs_folder()}: sessions copied into raw runs: {raw.sessions:,}, with "
            f"{pluralise(raw.unknown, 'record')} of a security that the ERP does not know"
        )
    changes += _processed_changes(paths, processed)
    if renamed:
        changes.append(f"{paths.check_results_folder()}: check results with old names: {renamed:,}")
    return Migration(changes, [*raw.problems, *processed.problems, *damaged_results])


def _processed_changes(paths: LakePaths, processed: ProcessedMigration) -> Iterator[str]:
    folder = paths.commits()
    if processed.sessions:
        rows = ", ".join(f"{processed.rows[table]:,} {table}" for table in PROCESSED_TABLES)
        yield (
            f"{folder}: sessions committed as loaded: {processed.sessions:,} ({rows}), with "
            f"{pluralise(processed.unknown, 'row')} of a security that the ERP does not know"
        )
    if processed.never_loaded:
        yield f"{folder}: sessions that were never loaded, refused: {processed.never_loaded:,}"
    if processed.unfinished:
        sessions = ", ".join(processed.unfinished)
        yield (
            f"{folder}: sessions whose last load did not finish, committed as of the load before: "
            f"{sessions}. Process them again"
        )


def _fill_facts(paths: LakePaths, warehouse: Warehouse, *, dry_run: bool) -> list[str]:
    """Create facts without SecurityId again, and fill all facts from the lake's batches."""
    outdated = [
        fact
        for fact in FACTS
        if (columns := warehouse.columns(fact)) and "SecurityId" not in columns
    ]
    if not dry_run:
        for fact in outdated:
            warehouse.recreate(fact)
        state = read_state(paths)
        warehouse.create_tables()
        # Also if a migration was interrupted after it had created them.
        if outdated or not warehouse.applied_batches():
            apply_pending(paths, warehouse, state, rebuild=True)
    return [f"{fact.name}: created with SecurityId, and filled from the lake" for fact in outdated]


def _security_ids(paths: LakePaths, sessions: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """Return the ids of the securities that were active, by exchange, symbol and session."""
    try:
        companies = store.load(paths, "companies").records
    except NoErpFileError:
        return {}
    return {
        (listing.exchange, listing.symbol, day.isoformat()): listing.security_id
        for listing, days in active_days(companies, sessions).items()
        for day in days
    }


def _migrate_results(warehouse: Warehouse, *, dry_run: bool) -> list[str]:
    rows = warehouse.query(_RESULTS, {"names": list(RENAMED_CHECKS)})
    rows = rows.cast(arrow_schema(ASSET_CHECK_RESULT))
    if not rows.num_rows:
        return []
    if not dry_run:
        runs = pc.unique(rows["RunId"]).to_pylist()
        warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", runs, rename_checks(rows))
    return [f"asset_check_result: check results with old names: {count_outdated(rows):,}"]
