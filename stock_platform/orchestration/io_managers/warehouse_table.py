"""IO manager for warehouse tables: replaces whole tables, and loads frames."""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa

from stock_platform.contracts import TABLES
from stock_platform.orchestration.metadata import load_metadata, table_preview
from stock_platform.orchestration.resources import WarehouseResource
from stock_platform.plain_text import pluralise

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


class WarehouseTableIOManager(dg.ConfigurableIOManager):
    """Writes and reads the table with the name of the asset.

    Stores a `pyarrow.Table` by replacing the whole table. Loads the requested partitions as the
    annotated type: ``pandas.DataFrame``, ``pyarrow.Table``, or ``pyspark.sql.DataFrame`` from
    BigQuery if Spark and its connector are installed.
    """

    warehouse: WarehouseResource

    def handle_output(self, context: dg.OutputContext, obj: pa.Table) -> None:
        """Replace the table in one transaction."""
        table = TABLES[context.asset_key.path[-1]]
        warehouse = self.warehouse.open()
        warehouse.create_tables()
        load = warehouse.replace_table(table, obj)
        context.add_output_metadata(
            {"dagster/row_count": load.rows, "preview": table_preview(warehouse, table)}
        )
        context.log.info(f"{pluralise(load.rows, 'row')} loaded, {load.replaced:,} replaced")
        context.add_output_metadata(load_metadata(load))

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame | pa.Table | DataFrame":
        """Return the rows of the table, ordered by its key."""
        table = TABLES[context.asset_key.path[-1]]
        sessions = None
        if context.has_asset_partitions and table.session_column:
            sessions = [date.fromisoformat(key) for key in context.asset_partition_keys]
        wanted = context.dagster_type.typing_type
        # Compared by name, because importing pyspark takes seconds.
        if getattr(wanted, "__module__", "").startswith("pyspark."):
            return self.warehouse.spark_frame(context, table, sessions)
        rows = self.warehouse.open().read(table, sessions)
        return rows if wanted is pa.Table else rows.to_pandas()
