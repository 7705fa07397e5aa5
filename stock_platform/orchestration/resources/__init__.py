"""Dagster resources: thin wrappers around lake, warehouse, Spark and market data.

Belongs here: the resources of every deployment, with the configuration that the UI shows. Those of
one kind of deployment are in `local` and `google`; `definitions` chooses between them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from stock_platform.contracts import Table
from stock_platform.lake.paths import LakePaths
from stock_platform.market_data.http_session import YahooHttpSession
from stock_platform.market_data.recording_session import RecordingHttpSession
from stock_platform.market_data.sample import SampleHttpSession
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform.spark.batch import BatchRun, SparkBatch
from stock_platform.warehouse.interface import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


# The context of an asset or of an operation.
StepContext = dg.AssetExecutionContext | dg.OpExecutionContext


class LakeResource(dg.ConfigurableResource[None]):
    """The data lake."""

    root: str = Field(description="Directory, or fsspec URL such as gs://bucket/prefix.")

    @property
    def paths(self) -> LakePaths:
        """The URIs of its objects."""
        return LakePaths(self.root)


class WarehouseResource(dg.ConfigurableResource[None], ABC):
    """The star schema."""

    @abstractmethod
    def open(self) -> Warehouse:
        """Return the warehouse."""

    def spark_frame(
        self, context: dg.InputContext, table: Table, sessions: Sequence[date] | None
    ) -> "DataFrame":
        """Return rows of a table as a PySpark DataFrame, for assets that run in Spark.

        Raises:
            NotImplementedError: this warehouse has no connector for Spark.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no PySpark DataFrames: annotate {context.name} as "
            "pandas.DataFrame or pyarrow.Table"
        )


class SparkResource(dg.ConfigurableResource[None], ABC):
    """The engine of the Spark job."""

    @abstractmethod
    def run(self, context: StepContext, batch: SparkBatch) -> BatchRun:
        """Run a batch to completion, with the driver's log in the run's log.

        Raises:
            BatchFailedError: the batch failed; its output may be incomplete.
        """


class MarketDataResource(dg.ConfigurableResource[None]):
    """The source of daily prices, always through the yfinance client."""

    source: Literal["sample", "yahoo"] = Field(
        description="sample: real prices of 2000-2013 in Yahoo's JSON. yahoo: Yahoo Finance."
    )
    yahoo_url: str | None = Field(
        default=None, description="Base URL: https://HOST/PATH is requested as URL/HOST/PATH."
    )
    requests_per_second: float = Field(
        default=2.0, gt=0, description="Limit for all requests of a run."
    )

    @contextmanager
    def client(self) -> Iterator[YahooClient]:
        """A client with a session and rate limiter of its own, closed at the end."""
        session: RecordingHttpSession = SampleHttpSession()
        if self.source == "yahoo":
            session = YahooHttpSession(self.requests_per_second, self.yahoo_url)
        client = YahooClient(session, Path(_yfinance_cache().name))
        try:
            yield client
        finally:
            client.close()


@cache
def _yfinance_cache() -> TemporaryDirectory[str]:
    """Return the folder of yfinance's cache: one per process, because its SQLite files lock."""
    return TemporaryDirectory(prefix="yfinance-")
