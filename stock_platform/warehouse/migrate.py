"""Migrate a deployment of version 0.1.0: raw runs, and the names of columns and checks.

The columns of the warehouse are renamed last: jobs reject the deployment until then, so that a
migration that was interrupted is noticed, and resumed by running it again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from stock_platform.contracts import ASSET_CHECK_RESULT, TABLES
from stock_platform.contracts.renamed import RENAMED_CHECKS, outdated_columns
from stock_platform.contracts.render import arrow_schema
from stock_platform.erp import store
from stock_platform.erp.history import active_days
from stock_platform.erp.store import NoErpFileError
from stock_platform.lake import migrate as lake
from stock_platform.lake.migrate import Migration
from stock_platform.lake.migrate_raw import migrate_raw_prices
from stock_platform.lake.paths import LakePaths
from stock_platform.plain_text import pluralise
from stock_platform.warehouse.interface import Warehouse

# All results of the runs, because a run's results are replaced as a whole.
_RESULTS: Final = f"""
SELECT {", ".join(ASSET_CHECK_RESULT.column_names)} FROM asset_check_result WHERE RunId IN (
  SELECT RunId FROM asset_check_result WHERE CheckName IN UNNEST(@names)
)
"""  # noqa: S608 - names come from the contract


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
    if not dry_run:
        if renames:
            warehouse.rename_columns(renames)
        warehouse.create_tables()
    return Migration(changes, in_lake.problems)


def migrate_lake(paths: LakePaths, *, dry_run: bool) -> Migration:
    """Copy raw prices into raw runs, and rename columns and checks in the lake."""
    raw = migrate_raw_prices(paths, partial(_security_ids, paths), dry_run=dry_run)
    renamed = lake.migrate(paths, dry_run=dry_run)
    copied = (
        f"{paths.raw_runs_folder()}: sessions copied into raw runs: {raw.sessions:,}, with "
        f"{pluralise(raw.unknown, 'record')} of a security that the ERP does not know"
    )
    return Migration(
        [*([copied] if raw.sessions else []), *renamed.changes], [*raw.problems, *renamed.problems]
    )


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
        warehouse.replace_where(ASSET_CHECK_RESULT, "RunId", runs, lake.rename_checks(rows))
    outdated = pc.sum(pc.is_in(rows["CheckName"], pa.array(RENAMED_CHECKS))).as_py()
    return [f"asset_check_result: check results with old names: {outdated:,}"]
