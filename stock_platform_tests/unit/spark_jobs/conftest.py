"""Fixtures: one real Sail session, and the functions of the job on it."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from spark_jobs import process_stock_prices as job
from stock_platform.spark.batch import SparkBatch
from stock_platform.spark.sail import sail_session
from stock_platform_tests.support.raw_lake import SESSION, SYMBOLS, RawLake

Classify = Callable[..., list[dict[str, Any]]]
RunJob = Callable[[SparkBatch], None]


@pytest.fixture(scope="session")
def spark():
    with sail_session() as session:
        session.conf.set("spark.sql.session.timeZone", "UTC")
        yield session


@pytest.fixture
def lake(tmp_path):
    return RawLake(tmp_path)


@pytest.fixture
def run_job(spark):
    def run(batch):
        job.run(spark, batch.request_uri, batch.output_uri, "sail")

    return run


@pytest.fixture(scope="session")
def classify(spark):
    """Classify lines as if they were in the file of one session, in their order."""

    def classify_lines(*lines, session=SESSION):
        content = gzip.compress("\n".join(lines).encode())
        marked = [(session, *line) for line in job.json_lines("prices.json.gz", content)]
        frame = spark.createDataFrame(marked, "date string, Record string, IsJson boolean")
        rows = job.classify(frame, job.Request("batch-1", {}, list(SYMBOLS))).collect()
        rows = [row.asDict(recursive=True) for row in rows]
        return sorted(rows, key=lambda row: lines.index(row["Record"]))

    return classify_lines
