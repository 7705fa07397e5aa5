"""IO manager for warehouse tables: replaces sessions or whole tables, and loads frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from stock_platform.contracts import TABLES, Table
from stock_platform.lake import load_ledger
from stock_platform.orchestration.metadata import session_previews, table_preview
from stock_platform.orchestration.resources import LakeResource, WarehouseResource
from stock_platform.plain_text import pluralise
from stock_platform.warehouse.interface import Load, Warehouse

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SessionLoad:
    """Parquet objects to load, by session.

    Attributes:
        uris: object per session, for sessions that have one.
        rows: number of rows per session to replace, which may be zero.
    """

    uris: Mapping[str, str]
    rows: Mapping[str, int]


class WarehouseTableIOManager(dg.ConfigurableIOManager):
    """Writes and reads the table with the name of the asset.

    Stores a `SessionLoad` by replacing its sessions and keeping a copy in the lake, or a
    `pyarrow.Table` by replacing the whole table. Loads the requested partitions as the annotated
    type: ``pandas.DataFrame``, ``pyarrow.Table``, or ``pyspark.sql.DataFrame`` from BigQuery if
    Spark and its connector are installed.
    """

    lake: LakeResource
    warehouse: WarehouseResource

    def handle_output(self, context: dg.OutputContext, obj: SessionLoad | pa.Table) -> None:
        """Load the value in one transaction."""
        table = TABLES[context.asset_key.path[-1]]
        warehouse = self.warehouse.open()
        warehouse.create_tables()
        if isinstance(obj, SessionLoad):
            load = self._load_sessions(context, warehouse, table, obj)
        else:
            load = warehouse.replace_table(table, obj)
            context.add_output_metadata(
                {"dagster/row_count": load.rows, "preview": table_preview(warehouse, table)}
            )
        context.log.info(f"{pluralise(load.rows, 'row')} loaded, {load.replaced:,} replaced")
        context.add_output_metadata(
            {"run_rows_loaded": load.rows, "run_rows_replaced": load.replaced, **load.statistics}
        )

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

    def _load_sessions(
        self,
        context: dg.OutputContext,
        warehouse: Warehouse,
        table: Table,
        sessions_to_load: SessionLoad,
    ) -> Load:
        sessions = [date.fromisoformat(key) for key in sessions_to_load.rows]
        load_ledger.mark_started(self.lake.paths, table.name, sessions_to_load.rows)
        load = warehouse.replace_sessions(
            table,
            list(sessions_to_load.uris.values()),
            sessions,
            expected_rows=sum(sessions_to_load.rows.values()),
        )
        # After the commit, so that rejected data is not kept.
        load_ledger.record_load(
            self.lake.paths, table.name, sessions_to_load.uris, sessions_to_load.rows
        )
        previews = session_previews(warehouse, table, sessions)
        for key, day in zip(sessions_to_load.rows, sessions, strict=True):
            metadata: dict[str, Any] = {"dagster/row_count": sessions_to_load.rows[key]}
            if day in previews:
                metadata["preview"] = previews[day]
            context.step_context.add_asset_metadata(metadata, partition_key=key)
        return load
