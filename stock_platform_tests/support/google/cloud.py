"""A production deployment on emulators: its environment and state."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery, storage

from stock_platform.lake import files
from stock_platform.lake.paths import ERP_KINDS, LakePaths
from stock_platform_tests.support.google.dataproc import Dataproc, serve
from stock_platform_tests.support.google.driver import Driver
from stock_platform_tests.support.google.emulators import PROJECT, Google
from stock_platform_tests.support.local_yahoo import SampleYahoo, served
from stock_platform_tests.support.platform_fixture import SAMPLE_ERP


def new_bucket() -> str:
    """Create a bucket and return its name."""
    return str(storage.Client().create_bucket(f"b{uuid.uuid4().hex}").name)


def new_dataset() -> str:
    """Create a dataset and return its name, which begins with its project's."""
    dataset = bigquery.Client().create_dataset(f"d{uuid.uuid4().hex}")
    return f"{dataset.project}.{dataset.dataset_id}"


@dataclass(frozen=True)
class Cloud:
    """A project with one bucket per layer of the lake, and a dataset.

    Attributes:
        environment: the platform's settings.
    """

    google: Google
    dataproc: Dataproc
    dataset: str
    environment: dict[str, str]

    @property
    def paths(self) -> LakePaths:
        """The paths of the lake."""
        return LakePaths(self.environment["STOCK_PLATFORM_LAKE"])

    def drop_sample_erp(self) -> None:
        """Drop the sample's exports into the landing folders."""
        for kind in ERP_KINDS:
            content = (SAMPLE_ERP / f"{kind}.csv").read_bytes()
            files.write(f"{self.paths.landing(kind)}/{kind}.csv", content)

    def jobs(self, start: str = "") -> list[Any]:
        """BigQuery's jobs, by the start of their ids."""
        return [job for job in bigquery.Client().list_jobs() if job.job_id.startswith(start)]


@contextmanager
def cloud(google: Google) -> Iterator[Cloud]:
    """A deployment with its own buckets, dataset, Dataproc and Yahoo."""
    name = f"p{uuid.uuid4().hex[:12]}"
    layers = ("raw", "processed", "code")
    buckets = [storage.Client().create_bucket(f"{name}-{layer}").name for layer in layers]
    dataset = bigquery.Client().create_dataset(name).dataset_id
    with serve(Dataproc(Driver(tuple(buckets)))) as dataproc, served(SampleYahoo()) as yahoo:
        environment = {
            **google.environment,
            "STOCK_PLATFORM_DEPLOYMENT": "production",
            "STOCK_PLATFORM_LAKE": f"gs://{name}-{{layer}}/prices",
            "STOCK_PLATFORM_WAREHOUSE": f"bigquery://{PROJECT}/{dataset}",
            "STOCK_PLATFORM_REGION": dataproc.region,
            "STOCK_PLATFORM_DATAPROC_ENDPOINT": dataproc.endpoint,
            "STOCK_PLATFORM_DATAPROC__POLL_SECONDS": "0.2",
            "STOCK_PLATFORM_BIGQUERY__STORAGE_READ_API": "false",
            "STOCK_PLATFORM_YAHOO_URL": yahoo.url,
            "STOCK_PLATFORM_YAHOO_REQUESTS_PER_SECOND": "100",
            "STOCK_PLATFORM_END_DATE": "2012-12-31",
            "STOCK_PLATFORM_START_DATE": "2000-03-01",
        }
        yield Cloud(google, dataproc, dataset, environment)
