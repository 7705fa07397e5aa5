"""Fixtures: one real Sail session, and the functions of the job on it."""

import gzip
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest

from spark_jobs import process_stock_prices as job
from stock_platform.spark.batch import SparkBatch
from stock_platform.spark.sail import sail_session
from stock_platform_tests.support.raw_lake import (
    FIRST_KNOWN_FROM,
    SESSION,
    SYMBOLS,
    RawLake,
    current_of,
)

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


class History:
    """Successive batches of one lake, each compared with the versions of those before."""

    def __init__(self, lake: RawLake, run_job: RunJob) -> None:
        self.lake = lake
        self.run_job = run_job
        self.batches: list[SparkBatch] = []

    def process(
        self,
        *lines: str,
        session: str = SESSION,
        last: str = "2012-12-31",
        securities: Sequence[str] | None = None,
    ) -> SparkBatch:
        """Store the lines as a run, and process all runs that are not forgotten."""
        self.lake.add(session, *lines, run=f"run-{len(self.batches)}", last=last)
        batch = self.lake.batch(base=self.batches, securities=securities)
        self.run_job(batch)
        self.batches.append(batch)
        return batch

    def current(self, table: str) -> list[dict[str, Any]]:
        """The current versions, in order of the key."""
        return current_of(self.batches, table)


@pytest.fixture
def history(lake, run_job):
    return History(lake, run_job)


@pytest.fixture(scope="session")
def classify(spark):
    """Classify lines as if they were in the only file of a run of one session, in their order."""

    def classify_lines(*lines):
        content = gzip.compress("\n".join(lines).encode())
        sessions = dict.fromkeys(("first_session", "last_session"), SESSION)
        file = {"sha256": sha256(content).hexdigest(), "lines": len(lines), **sessions}
        read = job.requested_lines("uri", content, file, {SESSION}, None)
        frame = spark.createDataFrame(
            [("run=a/records", *line) for line in read],
            "File string, date string, Text string, IsJson boolean",
        )
        request = job.Request(
            "batch-1", FIRST_KNOWN_FROM.isoformat(), [SESSION], list(SYMBOLS), None, {}, {}
        )
        classified = job.classify(frame, request)
        key = ("SecurityId", "TradeDate")
        columns = ("Text", "WithoutBar", "Reason", "Actions", *key, *job.PRICE, "FetchedAt")
        rows = [row.asDict(recursive=True) for row in classified.select(*columns).collect()]
        return sorted(rows, key=lambda row: lines.index(row["Text"]))

    return classify_lines
