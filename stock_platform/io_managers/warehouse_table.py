"""Warehouse tables: sessions or whole tables replaced atomically, frames handed downstream."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from stock_platform.contracts import TABLES, Table
from stock_platform.display import session_previews, table_preview
from stock_platform.lake import loaded
from stock_platform.resources import LakeResource, WarehouseResource
from stock_platform.warehouse.port import Load, Warehouse

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SessionLoad:
    """Parquet objects to load, by session.

    Attributes:
        uris: the object of each session that has one.
        rows: how many rows each session has, zero included; its keys are what is replaced.
    """

    uris: Mapping[str, str]
    rows: Mapping[str, int]


class WarehouseTableIOManager(dg.ConfigurableIOManager):
    """Writes the table that is named like the asset.

    Takes a `SessionLoad` (replaces those sessions, and keeps in the lake what it loaded) or a
    `pyarrow.Table` (replaces the table).
    Gives a ``pandas.DataFrame``, a ``pyarrow.Table`` or, from BigQuery where Spark and its
    connector are, a ``pyspark.sql.DataFrame``, as the input is annotated, of the partitions
    asked for.
    """

    lake: LakeResource
    warehouse: WarehouseResource

    def handle_output(self, context: dg.OutputContext, obj: SessionLoad | pa.Table) -> None:
        """Load in one transaction."""
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
        context.log.info(f"{table.name}: {load.rows} rows loaded, {load.replaced} replaced")
        context.add_output_metadata(
            {"run_rows_loaded": load.rows, "run_rows_replaced": load.replaced, **load.statistics}
        )

    def load_input(self, context: dg.InputContext) -> "pd.DataFrame | pa.Table | DataFrame":
        """Rows of the table in the order of its key."""
        table = TABLES[context.asset_key.path[-1]]
        sessions = None
        if context.has_asset_partitions and table.session_column:
            sessions = [date.fromisoformat(key) for key in context.asset_partition_keys]
        wanted = context.dagster_type.typing_type
        # By name: importing pyspark takes seconds.
        if getattr(wanted, "__module__", "").startswith("pyspark."):
            return self.warehouse.spark_frame(context, table, sessions)
        rows = self.warehouse.open().read(table, sessions)
        return rows if wanted is pa.Table else rows.to_pandas()

    def _load_sessions(
        self, context: dg.OutputContext, warehouse: Warehouse, table: Table, asked: SessionLoad
    ) -> Load:
        sessions = [date.fromisoformat(key) for key in asked.rows]
        loaded.begin(self.lake.paths, table.name, asked.rows)
        load = warehouse.replace_sessions(
            table, list(asked.uris.values()), sessions, expected_rows=sum(asked.rows.values())
        )
        # After it, so that nothing is kept that the warehouse refused.
        loaded.keep(self.lake.paths, table.name, asked.uris, asked.rows)
        previews = session_previews(warehouse, table, sessions)
        for key, day in zip(asked.rows, sessions, strict=True):
            metadata: dict[str, Any] = {"dagster/row_count": asked.rows[key]}
            if day in previews:
                metadata["preview"] = previews[day]
            context.step_context.add_asset_metadata(metadata, partition_key=key)
        return load
