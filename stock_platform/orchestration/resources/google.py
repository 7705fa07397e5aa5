"""Resources on Google Cloud: BigQuery and Dataproc Serverless.

Clients and credentials come from Dagster's `GCSResource` and `BigQueryResource`. dagster-gcp
(0.29.27, 2026-11) has no client for Dataproc's batches: its own submits to clusters.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final, cast

import dagster as dg
from dagster_gcp import BigQueryResource, GCSResource
from pydantic import Field

from stock_platform.contracts import Table
from stock_platform.google.credentials import impersonated
from stock_platform.orchestration.dagster_internals.bigquery_pyspark import read_frame
from stock_platform.orchestration.resources import (
    LakeResource,
    SparkResource,
    StepContext,
    WarehouseResource,
)
from stock_platform.settings import BigQueryDataset, Settings
from stock_platform.settings.google import BigQuerySettings, DataprocSettings
from stock_platform.spark.batch import BatchRun, SparkBatch
from stock_platform.warehouse.interface import Warehouse

if TYPE_CHECKING:
    import google.cloud.dataproc_v1 as dataproc
    from google.cloud.bigquery import Client
    from pyspark.sql import DataFrame

_TERMINATED: Final = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


class BigQueryWarehouseResource(WarehouseResource, BigQuerySettings):
    """The star schema in a BigQuery dataset."""

    bigquery: BigQueryResource
    dataset: str = Field(description="project.dataset")
    deployment: str = Field(description="Label of every job and table.")
    account: str | None = Field(default=None, description="Service account that runs the jobs.")

    def open(self) -> Warehouse:
        """Return the warehouse.

        Raises:
            WarehouseError: there are no credentials.
        """
        from stock_platform.warehouse.bigquery import BigQueryWarehouse  # noqa: PLC0415 - heavy
        from stock_platform.warehouse.bigquery_jobs import translate_google_errors  # noqa: PLC0415

        with translate_google_errors(), self._client() as client:
            return BigQueryWarehouse(client, self.dataset, self, _labels(self.deployment))

    @contextmanager
    def _client(self) -> Iterator["Client"]:
        from google.cloud.bigquery import Client  # noqa: PLC0415 - heavy import

        if self.account:
            yield Client(self.bigquery.project, credentials=impersonated(self.account))
        else:
            with self.bigquery.get_client() as client:
                yield client

    def spark_frame(
        self, context: dg.InputContext, table: Table, sessions: Sequence[date] | None
    ) -> "DataFrame":
        """Return rows of a table, read by the BigQuery connector of the active Spark."""
        return read_frame(context, self.dataset, table, sessions)


class DataprocServerlessResource(SparkResource, DataprocSettings):
    """The Spark job in batches of Dataproc Serverless.

    Batches are found by their inputs, so a run that was retried waits for the batch of its
    predecessor. Only the termination of a run, by a person or by run monitoring after
    `max_runtime_seconds`, cancels its batch.
    """

    gcs: GCSResource
    lake: LakeResource
    project: str = Field(description="Google Cloud project that is billed.")
    region: str = Field(description="Region of the batches, such as europe-west1.")
    deployment: str = Field(description="Label of every batch.")
    endpoint: str | None = Field(
        default=None, description="host:port of an insecure gRPC endpoint, for tests."
    )

    def run(self, context: StepContext, batch: SparkBatch) -> BatchRun:
        """Run a batch to completion, or wait for an existing one with the same inputs."""
        from stock_platform.spark.dataproc import (  # noqa: PLC0415 - heavy import
            DataprocConfig,
            DataprocRunner,
        )

        runner = DataprocRunner(
            DataprocConfig(
                batches=self._batch_client(),
                storage=self.gcs.get_client(),
                lake=self.lake.paths,
                project=self.project,
                region=self.region,
                settings=self,
                labels=_labels(self.deployment) | {"run": context.run.run_id},
            )
        )
        try:
            return runner.run(batch, context.log.info)
        except BaseException:
            run = context.instance.get_run_by_id(context.run.run_id)
            if run is not None and run.status in _TERMINATED:
                runner.cancel(context.log.info)
            raise

    def _batch_client(self) -> "dataproc.BatchControllerClient":
        import google.cloud.dataproc_v1 as dataproc  # noqa: PLC0415 - heavy import
        import grpc  # noqa: PLC0415 - heavy import

        if self.endpoint:
            transport = dataproc.BatchControllerClient.get_transport_class("grpc")
            channel = grpc.insecure_channel(self.endpoint)
            return dataproc.BatchControllerClient(transport=transport(channel=channel))
        host = f"{self.region}-dataproc.googleapis.com:443"
        return dataproc.BatchControllerClient(client_options={"api_endpoint": host})


def bigquery_warehouse(settings: Settings, dataset: BigQueryDataset) -> BigQueryWarehouseResource:
    """Return the warehouse in a dataset."""
    return BigQueryWarehouseResource(
        bigquery=BigQueryResource(project=dataset.project),
        dataset=f"{dataset.project}.{dataset.dataset}",
        deployment=settings.deployment,
        account=settings.loader_account,
        **settings.bigquery.model_dump(),
    )


def dataproc_spark(settings: Settings, lake: LakeResource) -> DataprocServerlessResource:
    """Return Dataproc in the region of the settings and the project of the warehouse."""
    # The settings accept Dataproc only with BigQuery.
    project = cast("BigQueryDataset", settings.warehouse).project
    return DataprocServerlessResource(
        gcs=GCSResource(project=project),
        lake=lake,
        project=project,
        region=str(settings.region),
        deployment=settings.deployment,
        endpoint=settings.dataproc_endpoint,
        **settings.dataproc.model_dump(),
    )


def _labels(deployment: str) -> dict[str, str]:
    return {"app": "stock_platform", "deployment": deployment}
