"""The job `rebuild_warehouse`, which restores the warehouse from the lake.

The job restores and does not materialize: the tables again contain what their materializations
and checks report, so the assets' pages stay as they are. Each table gets an observation with the
number of restored rows.
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from stock_platform.contracts import ASSET_CHECK_RESULT, TABLES
from stock_platform.erp import store as erp_store
from stock_platform.erp.store import NoErpFileError
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import ERP_KINDS, LakePaths
from stock_platform.lake.processed import read_state
from stock_platform.orchestration.resources import LakeResource, WarehouseResource
from stock_platform.plain_text import pluralise
from stock_platform.warehouse import restore
from stock_platform.warehouse.interface import FACTS, Load, Warehouse
from stock_platform.warehouse.load import apply_pending
from stock_platform.warehouse.restore import RestoreResult

RESTORED_ROWS: Final = "restored_rows"
NAME: Final = "rebuild_warehouse"
# Loads of other runs wait until the restore is done.
_POOL: Final = "warehouse"
_MAX_LISTED: Final = 50


def rebuild_warehouse_job(dimensions: Sequence[dg.AssetsDefinition]) -> dg.JobDefinition:
    """Build the job.

    Args:
        dimensions: the dimension assets, whose functions compute the rows to restore.
    """

    @dg.op(pool=_POOL, out=dg.Out(dg.Nothing))
    def restore_dimensions(
        context: dg.OpExecutionContext, lake: LakeResource, warehouse: WarehouseResource
    ) -> None:
        """Restore companies and exchanges from ERP records; compute days and sessions."""
        store = warehouse.open()
        store.create_tables()
        done = {
            asset.key.to_user_string(): _dimension(lake.paths, store, asset) for asset in dimensions
        }
        _report(context, done)

    # The steps are independent, so that a failure does not stop the others.
    @dg.job(
        name=NAME,
        description=(
            "Restores every table of a lost warehouse from the lake alone. "
            "Idempotent: changes nothing if nothing was lost."
        ),
    )
    def rebuild_warehouse() -> None:
        restore_dimensions()
        restore_facts()
        restore_check_results()

    return rebuild_warehouse


@dg.op(pool=_POOL, out=dg.Out(dg.Nothing))
def restore_facts(
    context: dg.OpExecutionContext, lake: LakeResource, warehouse: WarehouseResource
) -> None:
    """Replay all committed batches into both facts, in one transaction."""
    applied = apply_pending(lake.paths, warehouse.open(), read_state(lake.paths), rebuild=True)
    problems = [f"batch {batch_id}: {reason}" for batch_id, reason in applied.skipped.items()]
    loads = {table.name: applied.loads.get(table.name, Load(0, 0)) for table in FACTS}
    done = {name: RestoreResult(load.rows, []) for name, load in loads.items()}
    _report(context, done, problems)


@dg.op(pool=_POOL, out=dg.Out(dg.Nothing))
def restore_check_results(
    context: dg.OpExecutionContext, lake: LakeResource, warehouse: WarehouseResource
) -> None:
    """Restore the check results from the lake."""
    store = warehouse.open()
    store.create_tables()
    _report(context, {ASSET_CHECK_RESULT.name: restore.check_result_rows(lake.paths, store)})


def _dimension(paths: LakePaths, warehouse: Warehouse, asset: dg.AssetsDefinition) -> RestoreResult:
    inputs = {}
    try:
        for kind in ERP_KINDS:
            if f"raw_erp_{kind}" in asset.keys_by_input_name:
                inputs[f"raw_erp_{kind}"] = erp_store.load(paths, kind)
    except (NoErpFileError, CorruptObjectError) as error:
        return RestoreResult(0, [str(error)])
    rows = asset(**inputs)
    return RestoreResult(warehouse.replace_table(TABLES[asset.key.to_user_string()], rows).rows, [])


def _report(
    context: dg.OpExecutionContext, done: dict[str, RestoreResult], others: Sequence[str] = ()
) -> None:
    """Log one observation per table, then fail if there are problems.

    Args:
        context: of the step.
        done: the result per table.
        others: problems that are not those of one table.
    """
    problems = [*others]
    for table, result in done.items():
        context.log.info(f"{table}: {pluralise(result.rows, 'row')} restored")
        context.log_event(
            dg.AssetObservation(
                asset_key=table,
                description="restored from the lake",
                metadata={
                    RESTORED_ROWS: result.rows,
                    "not_restored": len(result.problems),
                },
            )
        )
        problems += [f"{table}: {problem}" for problem in result.problems]
    for problem in problems:
        context.log.error(problem)
    if problems:
        more = [f"and {len(problems) - _MAX_LISTED} more"] if len(problems) > _MAX_LISTED else []
        raise dg.Failure(
            "\n".join(["Everything was restored except:", *problems[:_MAX_LISTED], *more]),
            allow_retries=False,
        )
