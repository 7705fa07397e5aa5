"""Batches of Dataproc Serverless, with the real client and a service that runs their drivers."""

import socket
import threading
import time
import uuid
from dataclasses import replace

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import dataproc_v1 as dataproc
from google.cloud import storage

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths
from stock_platform.settings.google import DataprocSettings
from stock_platform.spark.batch import JOB_FILE, BatchFailedError, SparkBatch
from stock_platform.spark.dataproc import DataprocConfig, DataprocRunner
from stock_platform.spark.dataproc_storage import read_driver_log
from stock_platform_tests.support.google.dataproc import Dataproc, serve
from stock_platform_tests.support.google.driver import Driver

pytestmark = pytest.mark.integration

REGION = "europe-west1"
HELLO = "print('hello from the driver')"
FAILS = "print('line one'); raise SystemExit('prices.json.gz is no gzip')"
ENDLESS = "import time; print('working', flush=True); time.sleep(600)"
BATCH_ID = "stock-prices-20120103-20120104-0123456789ab"


@pytest.fixture
def bucket(google):
    assert google.environment["STORAGE_EMULATOR_HOST"]
    return storage.Client().create_bucket(f"b{uuid.uuid4().hex}").name


@pytest.fixture
def service(bucket):
    with serve(Dataproc(Driver((bucket,), HELLO), minute_s=0.2)) as running:
        yield running


@pytest.fixture
def config(service, bucket):
    return DataprocConfig(
        batches=batch_client(service.endpoint),
        storage=storage.Client(),
        lake=LakePaths(f"gs://{bucket}"),
        project="local-project",
        region=REGION,
        settings=DataprocSettings(poll_seconds=0.05, ttl_minutes=600),
        labels={"app": "stock_platform", "run": "A-Run"},
        retry_timeout_s=3,
    )


def batch_client(endpoint):
    channel = grpc.insecure_channel(endpoint)
    transport = dataproc.BatchControllerClient.get_transport_class("grpc")(channel=channel)
    return dataproc.BatchControllerClient(transport=transport)


def batch(bucket, run="run-1"):
    folder = f"gs://{bucket}/processed/_staging/{BATCH_ID}/{run}"
    return SparkBatch(BATCH_ID, f"{folder}/request.json", folder)


def run(config, batch, log=lambda _: None):
    return DataprocRunner(config).run(batch, log)


def script(service, text):
    service.driver = replace(service.driver, script=text)


def wait_for_batch(service):
    while not service.batches:
        time.sleep(0.01)


class TerminationError(BaseException):
    """Like the interrupt of a Dagster step."""


def test_batch_reports_cost_and_output(config, bucket):
    lines = []
    done = run(config, batch(bucket), lines.append)
    assert done.engine == "dataproc 2.3"
    assert done.output_uri == batch(bucket).output_uri
    assert done.metadata["dataproc_state"] == "SUCCEEDED"
    assert done.metadata["dcu_seconds"] == 720
    # 12 units for a minute at $0.06 per hour, and 6,000 GB s of shuffle at $0.04 per GB and month.
    cost = 0.012 + 6000 / 2_628_000 * 0.04
    assert done.metadata["estimated_usd"] == pytest.approx(cost, abs=1e-6)
    assert done.metadata["spark_ui"].startswith("https://history.example/")
    assert done.metadata["driver_output"].startswith(f"gs://{bucket}/google-cloud-dataproc-meta")
    assert lines[-1].startswith("batch is SUCCEEDED:")


def test_batch_follows_the_settings(config, service, bucket):
    settings = DataprocSettings(
        poll_seconds=0.05,
        tier="premium",
        service_account="spark@local-project.iam.gserviceaccount.com",
        subnetwork="private",
        network_tags="spark,private",
        staging_bucket="staging",
        kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
        max_executors=4,
    )
    run(replace(config, settings=settings), batch(bucket))
    (created,) = service.batches.values()
    properties = dict(created.runtime_config.properties)
    execution = created.environment_config.execution_config
    assert files.read(created.pyspark_batch.main_python_file_uri) == JOB_FILE.read_bytes()
    assert created.runtime_config.version == "2.3"
    assert properties["dataproc.tier"] == "premium"
    assert properties["spark.sql.adaptive.enabled"] == "true"
    assert properties["spark.dynamicAllocation.maxExecutors"] == "4"
    assert dict(created.labels) == {"app": "stock_platform", "run": "a-run"}
    assert list(execution.network_tags) == ["spark", "private"]
    assert execution.subnetwork_uri == "private"
    for name in ("service_account", "staging_bucket", "kms_key"):
        assert getattr(execution, name) == getattr(settings, name)
    assert execution.ttl.total_seconds() == 7200


def test_running_batch_is_adopted(config, service, bucket):
    script(service, "import time; time.sleep(1)")
    first = threading.Thread(target=run, args=(config, batch(bucket)))
    first.start()
    wait_for_batch(service)
    lines = []
    done = run(config, batch(bucket, "run-2"), lines.append)
    first.join()
    assert len(service.batches) == 1
    assert done.output_uri == batch(bucket, "run-1").output_uri
    assert "already: waiting for it" in lines[0]


def test_output_of_earlier_batch_is_used(config, service, bucket):
    run(config, batch(bucket))
    files.write(f"{batch(bucket).output_uri}/metrics.json/part-0.txt", b"{}")
    done = run(config, batch(bucket, "run-2"))
    assert len(service.batches) == 1
    assert done.output_uri == batch(bucket, "run-1").output_uri


def test_batch_without_output_is_repeated(config, service, bucket):
    run(config, batch(bucket))
    done = run(config, batch(bucket, "run-2"))
    assert [name.rsplit("/", 1)[-1] for name in service.batches] == [BATCH_ID, f"{BATCH_ID}-2"]
    assert done.output_uri == batch(bucket, "run-2").output_uri


# A step that its own run executes again has the same run id, and another attempt.
@pytest.mark.parametrize("attempts", [("run-1", "run-2"), ("run-1-first", "run-1-second")])
def test_failed_driver_is_shown_and_retried(config, service, bucket, attempts):
    script(service, FAILS)
    with pytest.raises(BatchFailedError) as failed:
        run(config, batch(bucket, attempts[0]))
    assert "prices.json.gz is no gzip" in str(failed.value)
    assert "Driver exited with code 1" in str(failed.value)
    assert "console.cloud.google.com/dataproc/batches" in str(failed.value)
    script(service, HELLO)
    done = run(config, batch(bucket, attempts[1]))
    assert done.metadata["dataproc_batch"] == f"{BATCH_ID}-2"


def test_driver_log_spans_numbered_objects(bucket):
    client = storage.Client()
    for number, text in enumerate(["Traceback: the cause\n" * 30, "ShutdownHookManager\n"]):
        client.bucket(bucket).blob(f"x/driveroutput.00000000{number}").upload_from_string(text)
    lines = read_driver_log(client, f"gs://{bucket}/x/driveroutput")
    assert lines == ["Traceback: the cause"] * 30 + ["ShutdownHookManager"]
    (unreadable,) = read_driver_log(client, "gs://there-is-no-such-bucket/x")
    assert "cannot be read" in unreadable


def test_cancelled_batch_is_a_failure(config, service, bucket):
    script(service, ENDLESS)

    def cancel():
        wait_for_batch(service)
        (found,) = service.batches.values()
        config.batches.transport.operations_client.cancel_operation(found.operation)

    threading.Thread(target=cancel).start()
    with pytest.raises(BatchFailedError, match="it was cancelled"):
        run(config, batch(bucket))
    assert service.states(BATCH_ID)[-2:] == ["CANCELLING", "CANCELLED"]


def test_expired_batch_names_the_setting(config, service, bucket):
    script(service, ENDLESS)
    short = replace(config, settings=DataprocSettings(poll_seconds=0.05, ttl_minutes=10))
    with pytest.raises(BatchFailedError, match="STOCK_PLATFORM_DATAPROC__TTL_MINUTES"):
        run(short, batch(bucket))


def test_termination_cancels_despite_lost_response(config, service, bucket):
    script(service, ENDLESS)

    class ResponseLost:
        def __getattr__(self, name):
            return getattr(config.batches, name)

        def create_batch(self, *args, **options):
            config.batches.create_batch(*args, **options)
            raise TerminationError

    runner = DataprocRunner(replace(config, batches=ResponseLost()))
    with pytest.raises(TerminationError):
        runner.run(batch(bucket), lambda _: None)
    runner.cancel(lambda _: None)
    assert service.states(BATCH_ID)[-1] in {"CANCELLING", "CANCELLED"}


def test_deleted_batch_fails_with_remedy(config, service, bucket):
    script(service, ENDLESS)

    def delete(line):
        if "RUNNING" in line:
            (found,) = service.batches.values()
            config.batches.transport.operations_client.cancel_operation(found.operation)
            service.batches.clear()

    with pytest.raises(BatchFailedError, match="The batch was deleted: run again"):
        run(config, batch(bucket), delete)


def test_silent_server_times_out(config, bucket):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = batch_client(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(BatchFailedError, match="run again later"):
            run(replace(config, batches=client, retry_timeout_s=2), batch(bucket))
        client.transport.close()


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL"]
)
def test_transient_errors_are_retried(config, service, bucket, code):
    service.fail("CreateBatch", grpc.StatusCode[code])
    service.fail("GetBatch", grpc.StatusCode[code])
    assert run(config, batch(bucket)).metadata["dataproc_state"] == "SUCCEEDED"
    assert len(service.batches) == 1


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (("PERMISSION_DENIED", "Permission 'dataproc.batches.create' denied"), "Grant the account"),
        (("RESOURCE_EXHAUSTED", "Insufficient 'CPUS' quota. Requested 12.0"), "MAX_EXECUTORS"),
        (("UNAVAILABLE", "upstream"), "run again later"),
    ],
)
def test_permanent_errors_show_a_remedy(config, service, bucket, error, remedy):
    code, message = error
    service.fail("CreateBatch", grpc.StatusCode[code], message, times=1000)
    with pytest.raises(BatchFailedError, match=f"(?s){message}.*{remedy}"):
        run(config, batch(bucket))
    assert service.batches == {}


def test_wrong_region_names_the_setting(config, bucket):
    with pytest.raises(BatchFailedError, match="STOCK_PLATFORM_REGION"):
        run(replace(config, region="us-east1"), batch(bucket))


def test_service_rejects_invalid_ids_like_google(config):
    request = dataproc.CreateBatchRequest(
        parent=f"projects/p/locations/{REGION}", batch_id="Not_An_Id", request_id="r"
    )
    with pytest.raises(GoogleAPICallError, match="pattern"):
        config.batches.create_batch(request)
