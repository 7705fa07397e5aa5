"""Assets of the facts, loaded together from committed batches, and of the adjusted view."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from stock_platform.contracts import (
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
)
from stock_platform.lake.commits import Commit
from stock_platform.lake.processed import read_state
from stock_platform.orchestration.assets.common import (
    OWNERS,
    session_keys,
    table_description,
    table_metadata,
)
from stock_platform.orchestration.metadata import (
    load_metadata,
    session_metadata,
    table_preview,
)
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import LakeResource, WarehouseResource
from stock_platform.plain_text import pluralise
from stock_platform.warehouse.interface import FACTS, Load
from stock_platform.warehouse.load import Applied, apply_pending

GROUP: Final = "warehouse"
_MAX_NAMED: Final = 5
# One observation per session and fact; a warehouse that was restored lacks years.
_MAX_OBSERVED_SESSIONS: Final = 252


def facts_asset(days: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    """Build the assets of both fact tables, which one transaction loads."""

    @dg.multi_asset(
        name="facts",
        group_name=GROUP,
        outs={
            table.name: dg.AssetOut(
                is_required=False,
                dagster_type=dg.Nothing,
                # Downstream assets read the table through the IO manager.
                io_manager_key="warehouse_table",
                owners=OWNERS,
                kinds={"table"},
                description=table_description(table),
                metadata=table_metadata(table),
                code_version="2",
            )
            for table in FACTS
        },
        partitions_def=days,
        backfill_policy=YEARLY_BACKFILL,
        can_subset=True,
        pool="warehouse",
    )
    def facts(
        context: dg.AssetExecutionContext,
        processed_stock_prices: dict[str, Commit],
        lake: LakeResource,
        warehouse: WarehouseResource,
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Apply every committed batch that the warehouse lacks, in one transaction.

        Both facts are loaded whatever is selected, so that they never disagree. Batches of other
        sessions are applied too: those of a run that died, or all that an older copy of the
        warehouse lacks. A session without a new batch is left unchanged.
        """
        keys = session_keys(context, days)
        days_of_run = [date.fromisoformat(key) for key in keys]
        store = warehouse.open()
        applied = apply_pending(lake.paths, store, read_state(lake.paths))
        for name, load in applied.loads.items():
            context.log.info(
                f"{name}: {pluralise(load.rows, 'row')} loaded, {load.replaced:,} replaced"
            )
        for batch_id, reason in applied.skipped.items():
            context.log.error(f"batch {batch_id} was not loaded: {reason}")
        _require_loaded(processed_stock_prices, applied)
        _observe_others(context, applied, keys)
        for table in FACTS:
            if dg.AssetKey(table.name) in context.selected_asset_keys:
                for day, metadata in session_metadata(store, table, days_of_run).items():
                    context.add_asset_metadata(
                        metadata, asset_key=table.name, partition_key=day.isoformat()
                    )
                load = applied.loads.get(table.name, Load(0, 0))
                yield dg.MaterializeResult(asset_key=table.name, metadata=load_metadata(load))

    return facts


def _require_loaded(batches: Mapping[str, Commit], applied: Applied) -> None:
    """Fail the run if its own sessions could not be loaded."""
    missing = [key for key, batch in batches.items() if batch.batch_id in applied.skipped]
    if missing:
        reason = applied.skipped[batches[missing[0]].batch_id]
        named = ", ".join(missing[:_MAX_NAMED])
        raise dg.Failure(f"{named}: not loaded: {reason}", allow_retries=False)


def _observe_others(
    context: dg.AssetExecutionContext, applied: Applied, keys: Sequence[str]
) -> None:
    """Report the sessions that were loaded in addition to those of the run."""
    others = [session for session in applied.sessions if session not in set(keys)]
    if not others:
        return
    context.log.warning(
        f"the warehouse lacked committed batches of {pluralise(len(others), 'other session')} "
        f"({others[0]} to {others[-1]}); they were loaded as well"
    )
    partitions = others if len(others) <= _MAX_OBSERVED_SESSIONS else [None]
    for table in FACTS:
        for session in partitions:
            context.log_event(
                dg.AssetObservation(
                    asset_key=table.name,
                    partition=session,
                    description="loaded by a run of other sessions",
                    metadata={"sessions": len(others), "first": others[0], "last": others[-1]},
                )
            )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"view"},
    # Nothing is written; downstream assets read the view through the IO manager.
    io_manager_key="warehouse_table",
    deps=[FACT_STOCK_PRICE.name, FACT_CORPORATE_ACTION.name],
    description=table_description(STOCK_PRICE_ADJUSTED),
    metadata=table_metadata(STOCK_PRICE_ADJUSTED),
    code_version="2",
)
def stock_price_adjusted(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Create or replace the view, and count its rows."""
    store = warehouse.open()
    store.create_tables()
    rows = store.query(f"SELECT COUNT(*) AS n FROM {STOCK_PRICE_ADJUSTED.name}")  # noqa: S608
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows["n"][0].as_py(),
            "preview": table_preview(store, STOCK_PRICE_ADJUSTED),
        }
    )
