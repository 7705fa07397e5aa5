"""Run the job on Sail: Spark's API on a Rust engine, in this process, without Java."""

import importlib.metadata
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from stock_platform.spark.batch import BatchFailedError, BatchRun, Log, SparkBatch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# pyspark decides by an environment variable whether `functions` use Connect or a JVM, so two
# concurrent runs would change it for each other.
_LOCK: Final = threading.Lock()
_CONNECT_MODE: Final = "SPARK_CONNECT_MODE_ENABLED"


class SailRunner:
    """Runs batches one at a time, from any thread.

    Each run has its own server on a free port of 127.0.0.1, which starts in 0.05 s. The import of
    the Connect client takes 2-4 s, once per process.
    """

    def run(self, batch: SparkBatch, log: Log) -> BatchRun:
        """Run a batch to completion.

        Raises:
            BatchFailedError: the job failed.
        """
        from spark_jobs import process_stock_prices  # noqa: PLC0415 - heavy import

        engine = f"sail {importlib.metadata.version('pysail')}"
        started = time.monotonic()
        with _LOCK, sail_session() as spark:
            try:
                process_stock_prices.run(spark, batch.request_uri, batch.output_uri, engine, log)
            except Exception as error:
                raise BatchFailedError(
                    batch,
                    f"{type(error).__name__} on {engine}",
                    "read the cause below; if Spark succeeds where Sail fails, "
                    "STOCK_PLATFORM_SPARK=spark runs the same job.",
                    str(error).splitlines(),
                ) from error
        return BatchRun(engine, time.monotonic() - started, batch.output_uri)


@contextmanager
def sail_session() -> "Iterator[SparkSession]":
    """Yield a Spark session on a Sail server that stops with it."""
    from pysail.spark import SparkConnectServer  # noqa: PLC0415 - heavy import
    from pyspark.sql import SparkSession  # noqa: PLC0415 - heavy import

    before = os.environ.get(_CONNECT_MODE)
    # By default Sail logs each start and stop of the server.
    os.environ.setdefault("RUST_LOG", "error")
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        spark = SparkSession.builder.remote(f"sc://{host}:{port}").create()
        try:
            yield spark
        finally:
            spark.stop()
    finally:
        server.stop()
        if before is None:
            os.environ.pop(_CONNECT_MODE, None)
