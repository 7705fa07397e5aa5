"""Dagster's view of the outside: thin shells around lake, warehouse, Spark and market data.

Belongs here: configuration that the UI shows, of what every deployment has; what only some have
is in `local` and `google`. What the shells wrap is used, and tested, without Dagster; which of it
a deployment uses is decided in `definitions`.
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
from stock_platform.spark.batch import SparkRunner
from stock_platform.warehouse.port import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class LakeResource(dg.ConfigurableResource[None]):
    """The data lake."""

    root: str = Field(description="Directory, or fsspec URL such as gs://bucket/prefix.")

    @property
    def paths(self) -> LakePaths:
        """Where everything lies in it."""
        return LakePaths(self.root)


class WarehouseResource(dg.ConfigurableResource[None], ABC):
    """The star schema."""

    @abstractmethod
    def open(self) -> Warehouse:
        """The warehouse; it is asked verb by verb."""

    def spark_frame(
        self, context: dg.InputContext, table: Table, sessions: Sequence[date] | None
    ) -> "DataFrame":
        """Rows of a table as a PySpark DataFrame, for assets that run where Spark is.

        Raises:
            NotImplementedError: this warehouse has no connector for Spark.
        """
        raise NotImplementedError(
            f"{type(self).__name__} gives no PySpark DataFrame: annotate {context.name} as "
            "pandas.DataFrame or pyarrow.Table"
        )


class SparkResource(dg.ConfigurableResource[None], ABC):
    """What runs the Spark job."""

    @abstractmethod
    def runner(self, context: dg.AssetExecutionContext) -> SparkRunner:
        """The runner of batches for a run."""


class MarketDataResource(dg.ConfigurableResource[None]):
    """Where daily prices come from; always through the yfinance client."""

    source: Literal["sample", "yahoo"] = Field(
        description="sample: real prices of 2000-2013, answered in Yahoo's JSON. yahoo: Yahoo."
    )
    yahoo_url: str | None = Field(
        default=None, description="Ask URL/HOST/PATH for every https://HOST/PATH."
    )
    requests_per_second: float = Field(
        default=2.0, gt=0, description="Ceiling for all requests of a run."
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
    """Yfinance's cache of time zones and cookies: one a process, for its SQLite files lock."""
    return TemporaryDirectory(prefix="yfinance-")
