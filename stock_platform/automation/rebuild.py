"""The job that restores the warehouse from the lake.

It restores and does not materialize: the tables hold again what their materializations and
checks tell of them, so the assets' pages stay as they are. What was restored is an observation of
each table.
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from stock_platform.assets.facts import SOURCES
from stock_platform.contracts import ASSET_CHECK_RESULT, TABLES
from stock_platform.lake import raw_erp
from stock_platform.lake.loaded import DamagedError
from stock_platform.lake.paths import ERP_KINDS, LakePaths
from stock_platform.lake.raw_erp import NoErpFileError
from stock_platform.partitions import RANGE_RUNS
from stock_platform.resources import LakeResource, WarehouseResource
from stock_platform.warehouse import restore
from stock_platform.warehouse.port import Warehouse
from stock_platform.warehouse.restore import Restored

RESTORED_ROWS: Final = "restored_rows"
NAME: Final = "rebuild_warehouse"
# Loads of other runs wait meanwhile; theirs come after what is restored.
_POOL: Final = "warehouse"
_SHOWN: Final = 50


def rebuild_warehouse_job(dimensions: Sequence[dg.AssetsDefinition]) -> dg.JobDefinition:
    """The job.

    Args:
        dimensions: the assets of the dimensions; what they make of the lake is restored.
    """

    @dg.op(pool=_POOL, out=dg.Out(dg.Nothing))
    def restore_dimensions(
        context: dg.OpExecutionContext, lake: LakeResource, warehouse: WarehouseResource
    ) -> None:
        """Companies and exchanges by the ERP's facts in the lake, days and sessions computed."""
        store = warehouse.open()
        store.create_tables()
        done = {
            asset.key.to_user_string(): _dimension(lake.paths, store, asset) for asset in dimensions
        }
        _tell(context, done)

    # None waits for another, so that what fails leaves the others to be restored.
    @dg.job(
        name=NAME,
        description=(
            "Every table of a warehouse that was lost, as it was, from the lake alone. "
            "It may be repeated, and changes nothing where nothing was lost."
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
    """The facts by what each session was given last, a year in a transaction; and their view."""
    store = warehouse.open()
    store.create_tables()
    done = {}
    for table, source in SOURCES:
        published = restore.published_rows(lake.paths, source)
        size = RANGE_RUNS.max_partitions_per_run or len(published)
        done[table.name] = restore.fact(lake.paths, store, table, published, size)
    _tell(context, done)


@dg.op(pool=_POOL, out=dg.Out(dg.Nothing))
def restore_check_results(
    context: dg.OpExecutionContext, lake: LakeResource, warehouse: WarehouseResource
) -> None:
    """What the checks said, by the verdicts that the lake keeps."""
    store = warehouse.open()
    store.create_tables()
    _tell(context, {ASSET_CHECK_RESULT.name: restore.verdicts(lake.paths, store)})


def _dimension(paths: LakePaths, warehouse: Warehouse, asset: dg.AssetsDefinition) -> Restored:
    inputs = {}
    try:
        for kind in ERP_KINDS:
            if f"raw_erp_{kind}" in asset.keys_by_input_name:
                inputs[f"raw_erp_{kind}"] = raw_erp.load(paths, kind)
    except (NoErpFileError, DamagedError) as error:
        return Restored(0, [str(error)])
    rows = asset(**inputs)
    return Restored(warehouse.replace_table(TABLES[asset.key.to_user_string()], rows).rows, [])


def _tell(context: dg.OpExecutionContext, done: dict[str, Restored]) -> None:
    """An observation of each table; then the failure, if something is missing of any."""
    problems = []
    for table, restored in done.items():
        context.log_event(
            dg.AssetObservation(
                asset_key=table,
                description="restored from the lake",
                metadata={
                    RESTORED_ROWS: restored.rows,
                    "not_restored": len(restored.problems),
                },
            )
        )
        problems += [f"{table}: {it}" for it in restored.problems]
    for problem in problems:
        context.log.error(problem)
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise dg.Failure(
            "\n".join(["not restored, all else is:", *problems[:_SHOWN], *more]),
            allow_retries=False,
        )
