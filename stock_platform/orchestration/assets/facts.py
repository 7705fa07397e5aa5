"""Assets of the facts, loaded from processed sessions, and of the adjusted view."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from stock_platform.contracts import (
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
    Table,
)
from stock_platform.lake.paths import ProcessedTable
from stock_platform.lake.publish import ProcessedSession, expected_rows
from stock_platform.orchestration.assets.common import (
    OWNERS,
    session_keys,
    table_description,
    table_metadata,
)
from stock_platform.orchestration.io_managers.warehouse_table import SessionLoad
from stock_platform.orchestration.metadata import table_preview
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import WarehouseResource

GROUP: Final = "warehouse"
# Each fact with the processed table that is its source.
SOURCES: Final[tuple[tuple[Table, ProcessedTable], ...]] = (
    (FACT_STOCK_PRICE, "stock_prices"),
    (FACT_CORPORATE_ACTION, "corporate_actions"),
)


def fact_asset(
    days: dg.TimeWindowPartitionsDefinition, table: Table, source: ProcessedTable
) -> dg.AssetsDefinition:
    """Build the asset of a fact table."""

    @dg.asset(
        name=table.name,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"table"},
        io_manager_key="warehouse_table",
        partitions_def=days,
        backfill_policy=YEARLY_BACKFILL,
        pool="warehouse",
        description=table_description(table),
        metadata=table_metadata(table),
        code_version="1",
    )
    def fact(
        context: dg.AssetExecutionContext, processed_stock_prices: dict[str, ProcessedSession]
    ) -> SessionLoad:
        session_keys(context, days)
        return build_session_load(processed_stock_prices, source)

    return fact


def build_session_load(
    processed: Mapping[str, ProcessedSession], source: ProcessedTable
) -> SessionLoad:
    """Build the load of a processed table: its objects and row counts per session."""
    return SessionLoad(
        uris={
            key: session.objects[source]
            for key, session in processed.items()
            if source in session.objects
        },
        rows={
            key: expected_rows(session.manifest["metrics"])[source]
            for key, session in processed.items()
        },
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
    code_version="1",
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


def fact_assets(days: dg.TimeWindowPartitionsDefinition) -> list[Any]:
    """Build the fact assets over the deployment's trading days, and the view."""
    return [*(fact_asset(days, table, source) for table, source in SOURCES), stock_price_adjusted]
