"""Fixtures: one real Sail session, and the functions of the job on it."""

import gzip
from collections.abc import Callable
from hashlib import sha256
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
    """Classify lines as if they were in the only file of a run of one session, in their order."""

    def classify_lines(*lines):
        content = gzip.compress("\n".join(lines).encode())
        sessions = dict.fromkeys(("first_session", "last_session"), SESSION)
        file = {"sha256": sha256(content).hexdigest(), "lines": len(lines), **sessions}
        read = job.requested_lines("uri", content, file, {SESSION})
        frame = spark.createDataFrame(
            [("run=a/records", *line) for line in read],
            "File string, date string, Record string, IsJson boolean",
        )
        request = job.Request("batch-1", [SESSION], list(SYMBOLS), {})
        classified = job.classify(frame, request)
        columns = ("Record", "WithoutBar", "Reason", "Actions", *job.PRICE)
        rows = [row.asDict(recursive=True) for row in classified.select(*columns).collect()]
        return sorted(rows, key=lambda row: lines.index(row["Record"]))

    return classify_lines
