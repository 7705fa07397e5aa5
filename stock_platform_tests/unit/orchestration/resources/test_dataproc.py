"""The batch of a Dagster run is cancelled if the run is terminated, and only then."""

import uuid
from types import SimpleNamespace

import dagster as dg
import grpc
import pytest
from dagster_gcp import GCSResource
from google.cloud import storage

from stock_platform.orchestration.resources import LakeResource
from stock_platform.orchestration.resources.google import DataprocServerlessResource
from stock_platform.spark.batch import SparkBatch
from stock_platform_tests.support.google.dataproc import Dataproc, serve
from stock_platform_tests.support.google.driver import Driver

pytestmark = pytest.mark.integration

ENDLESS = "import time; print('working', flush=True); time.sleep(600)"
BATCH_ID = "stock-prices-20120103-20120104-0123456789ab"
CANCELLED = {"CANCELLING", "CANCELLED"}


@pytest.fixture
def service(google):
    assert google.environment["STORAGE_EMULATOR_HOST"]
    bucket = storage.Client().create_bucket(f"b{uuid.uuid4().hex}").name
    with serve(Dataproc(Driver((bucket,), ENDLESS))) as running:
        yield running


@pytest.fixture
def run_in_dagster(service):
    """Run a batch in a Dagster run of some status, which each log line may interrupt."""
    (bucket,) = service.driver.buckets
    resource = DataprocServerlessResource(
        gcs=GCSResource(project="local-project"),
        lake=LakeResource(root=f"gs://{bucket}"),
        project="local-project",
        region="europe-west1",
        deployment="staging",
        endpoint=service.endpoint,
        poll_seconds=0.05,
    )

    folder = f"gs://{bucket}/processed/_staging/{BATCH_ID}/run-1"

    def run_in_dagster(status, log):
        with dg.DagsterInstance.ephemeral() as instance:
            run = instance.add_run(dg.DagsterRun(job_name="prices", status=status))
            context = SimpleNamespace(instance=instance, run=run, log=SimpleNamespace(info=log))
            resource.run(context, SparkBatch(BATCH_ID, f"{folder}/request.json", folder))

    return run_in_dagster


class TerminationError(BaseException):
    """Like the interrupt of a Dagster step."""


def interrupt_at(word, lines):
    def log(line):
        lines.append(line)
        if word in line:
            raise TerminationError

    return log


@pytest.mark.parametrize(
    ("status", "states"),
    [("CANCELING", CANCELLED), ("CANCELED", CANCELLED), ("STARTED", {"RUNNING"})],
)
def test_only_termination_cancels_the_batch(service, run_in_dagster, status, states):
    with pytest.raises(TerminationError):
        run_in_dagster(dg.DagsterRunStatus(status), interrupt_at("RUNNING", []))
    assert service.states(BATCH_ID)[-1] in states


@pytest.mark.parametrize("word", ["was created", "RUNNING"])
def test_termination_cancels_despite_transient_errors(service, run_in_dagster, word):
    service.fail("CancelOperation", grpc.StatusCode.INTERNAL, "try again", times=1)
    with pytest.raises(TerminationError):
        run_in_dagster(dg.DagsterRunStatus.CANCELING, interrupt_at(word, []))
    assert service.states(BATCH_ID)[-1] in CANCELLED


def test_termination_ends_despite_failed_cancellation(service, run_in_dagster):
    service.fail("CancelOperation", grpc.StatusCode.PERMISSION_DENIED, "no", times=99)
    lines = []
    with pytest.raises(TerminationError):
        run_in_dagster(dg.DagsterRunStatus.CANCELING, interrupt_at("RUNNING", lines))
    assert "goes on costing, cancel it at https://console.cloud.google.com" in lines[-1]
