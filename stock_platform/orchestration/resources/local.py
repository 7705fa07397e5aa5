"""Resources on one machine: DuckDB, Sail, and classic local Spark."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from stock_platform.orchestration.resources import SparkResource, StepContext, WarehouseResource
from stock_platform.spark.batch import BatchRun, SparkBatch
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import Warehouse


class DuckDBResource(WarehouseResource):
    """The star schema in a DuckDB file."""

    file: str = Field(description="The DuckDB file.")

    def open(self) -> Warehouse:
        """Return the warehouse, which opens a connection per call."""
        return DuckDBWarehouse(Path(self.file))


class LocalSparkResource(SparkResource):
    """The Spark job on this machine."""

    engine: Literal["sail", "spark"] = Field(
        description="sail: Spark's API on a Rust engine, in process. spark: local Spark 3.5."
    )

    def run(self, context: StepContext, batch: SparkBatch) -> BatchRun:
        """Run a batch to completion on the chosen engine."""
        from stock_platform.spark.local import LocalSparkRunner  # noqa: PLC0415 - heavy import
        from stock_platform.spark.sail import SailRunner  # noqa: PLC0415 - heavy import

        runner = SailRunner() if self.engine == "sail" else LocalSparkRunner()
        return runner.run(batch, context.log.info)
