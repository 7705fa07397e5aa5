"""What runs on Google Cloud: Dataproc Serverless and BigQuery.

Clients and credentials are those of Dagster's own `GCSResource` and `BigQueryResource`. There is
none for Dataproc's batches in dagster-gcp (0.29.27, 2026-11): its client submits to clusters.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.db_io_manager import TablePartitionDimension, TableSlice
from dagster_gcp import BigQueryResource, GCSResource
from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
from google.cloud.storage import Blob
from google.cloud.storage.retry import DEFAULT_RETRY
from pydantic import Field

from stock_platform.contracts import Table
from stock_platform.google_advice import advice
from stock_platform.google_identity import impersonated
from stock_platform.google_settings import BigQuerySettings, DataprocSettings
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.publish import is_staged
from stock_platform.resources import LakeResource, SparkResource, WarehouseResource
from stock_platform.settings import Settings
from stock_platform.spark.batch import JOB_FILE, LOG_TAIL_LINES, SparkRunner
from stock_platform.warehouse.port import Warehouse, WarehouseError

if TYPE_CHECKING:
    import google.cloud.dataproc_v1 as dataproc
    from google.cloud.bigquery import Client
    from pyspark.sql import DataFrame

_LOG_TAIL_BYTES = 64 * 1024
_TERMINATED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


class BigQueryWarehouseResource(WarehouseResource, BigQuerySettings):
    """The star schema in a BigQuery dataset."""

    bigquery: BigQueryResource
    dataset: str = Field(description="project.dataset")
    deployment: str = Field(description="Label of every job and table.")
    account: str | None = Field(default=None, description="Service account to ask as.")

    def open(self) -> Warehouse:
        """The warehouse.

        Raises:
            WarehouseError: there are no credentials.
        """
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - heavy import

        from stock_platform.warehouse.bigquery import BigQueryWarehouse  # noqa: PLC0415

        try:
            with self._client() as client:
                return BigQueryWarehouse(client, self.dataset, self, _labels(self.deployment))
        except GoogleAuthError as error:
            raise WarehouseError(f"BigQuery: {error} {advice(401, '')}") from error

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
        """Rows of a table, read by the BigQuery connector of the Spark that is there."""
        from dagster_gcp_pyspark import BigQueryPySparkTypeHandler  # noqa: PLC0415 - heavy import

        project, _, dataset = self.dataset.partition(".")
        rows = TableSlice(
            table=table.name,
            schema=dataset,
            database=project,
            columns=list(table.column_names),
            partition_dimensions=[
                TablePartitionDimension(
                    str(table.session_column), [day.isoformat() for day in sessions]
                )
            ]
            if sessions is not None
            else [],
        )
        frame = BigQueryPySparkTypeHandler().load_input(context, rows, None)
        # The handler puts names in lower case.
        return frame.toDF(*table.column_names)


class DataprocServerlessResource(SparkResource, DataprocSettings):
    """The Spark job as batches of Dataproc Serverless.

    A batch is found again by what goes into it, so a run that died or was retried waits for the
    batch that is there. It is cancelled when the run is terminated, by a person or for its
    length, and else never.
    """

    gcs: GCSResource
    lake: LakeResource
    project: str = Field(description="Google Cloud project that pays.")
    region: str = Field(description="Region of the batches, such as europe-west1.")
    deployment: str = Field(description="Label of every batch.")
    endpoint: str | None = Field(
        default=None, description="host:port of an insecure gRPC endpoint, for tests."
    )

    def runner(self, context: dg.AssetExecutionContext) -> SparkRunner:
        """The runner of batches for a run."""
        from stock_platform.spark.dataproc import (  # noqa: PLC0415 - heavy import
            DataprocPlace,
            DataprocRunner,
        )

        place = DataprocPlace(
            client=self._client(),
            project=self.project,
            region=self.region,
            settings=self,
            labels=_labels(self.deployment) | {"run": context.run.run_id},
            upload_code=self._upload_code,
            is_written=is_staged,
            driver_log=self._driver_log,
        )

        def is_terminated() -> bool:
            run = context.instance.get_run_by_id(context.run.run_id)
            return run is not None and run.status in _TERMINATED

        return DataprocRunner(place, is_terminated)

    def _client(self) -> "dataproc.BatchControllerClient":
        import google.cloud.dataproc_v1 as dataproc  # noqa: PLC0415 - heavy import
        import grpc  # noqa: PLC0415 - heavy import
        from google.cloud.dataproc_v1.services.batch_controller.transports import (  # noqa: PLC0415
            BatchControllerGrpcTransport,
        )

        if self.endpoint:
            channel = grpc.insecure_channel(self.endpoint)
            transport = BatchControllerGrpcTransport(channel=channel)
            return dataproc.BatchControllerClient(transport=transport)
        host = f"{self.region}-dataproc.googleapis.com:443"
        return dataproc.BatchControllerClient(client_options={"api_endpoint": host})

    def _upload_code(self) -> str:
        """Put the job's file where no other content ever lies; returns its URI."""
        content = JOB_FILE.read_bytes()
        uri = LakePaths(self.lake.root).spark_code(hashlib.sha256(content).hexdigest()[:16])
        blob = Blob.from_uri(uri, client=self.gcs.get_client())
        with suppress(PreconditionFailed):  # it lies there already
            blob.upload_from_string(content, if_generation_match=0, retry=DEFAULT_RETRY)
        return uri

    def _driver_log(self, output_uri: str) -> Sequence[str]:
        """The last lines of a driver's output, which Dataproc writes in numbered objects."""
        if not output_uri:
            return ["(Dataproc names no driver output)"]
        bucket, _, prefix = output_uri.removeprefix("gs://").partition("/")
        try:
            blobs = self.gcs.get_client().list_blobs(bucket, prefix=prefix)
            text = b""
            for blob in sorted(blobs, key=lambda it: str(it.name), reverse=True):
                start = max(int(blob.size or 0) - _LOG_TAIL_BYTES, 0)
                text = blob.download_as_bytes(start=start) + text
                if text.count(b"\n") >= LOG_TAIL_LINES:
                    break
        # What is told of the batch must not be lost for what its log says; requests' are OSErrors.
        except (GoogleAPIError, OSError) as error:
            return [f"({output_uri} cannot be read: {error})"]
        lines = text.decode(errors="replace").splitlines()
        return lines[-LOG_TAIL_LINES:] or [f"(nothing lies at {output_uri})"]


def google_warehouse(settings: Settings) -> BigQueryWarehouseResource:
    """The warehouse of settings that name a project and dataset."""
    project, dataset = settings.project_and_dataset
    return BigQueryWarehouseResource(
        bigquery=BigQueryResource(project=project),
        dataset=f"{project}.{dataset}",
        deployment=settings.deployment,
        account=settings.loader_account,
        **settings.bigquery.model_dump(),
    )


def google_spark(settings: Settings, lake: LakeResource) -> DataprocServerlessResource:
    """Dataproc in the project and region of the settings."""
    project, _ = settings.project_and_dataset
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
