"""Batches of Dataproc Serverless, on the real client and a service that runs their drivers."""

import re
import socket
import threading
import time
import uuid
from dataclasses import replace

import grpc
import pytest
from dagster_gcp import GCSResource
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import dataproc_v1 as dataproc
from google.cloud import storage

from stock_platform.google_settings import DataprocSettings
from stock_platform.resources import LakeResource
from stock_platform.resources.google import DataprocServerlessResource
from stock_platform.spark.batch import BatchFailedError, SparkBatch
from stock_platform.spark.dataproc import DataprocPlace, DataprocRunner
from stock_platform_tests.google.dataproc import Dataproc, serve
from stock_platform_tests.google.driver import Driver

pytestmark = pytest.mark.integration

REGION = "europe-west1"
HELLO = "print('hello from the driver')"
FAILS = "print('line one'); raise SystemExit('prices.json.gz is no gzip')"
ENDLESS = "import time; print('working', flush=True); time.sleep(600)"


@pytest.fixture
def bucket(google):
    assert google.environment["STORAGE_EMULATOR_HOST"]
    return storage.Client().create_bucket(f"b{uuid.uuid4().hex}").name


@pytest.fixture
def service(bucket):
    with serve(Dataproc(Driver((bucket,), HELLO), minute_s=0.2)) as it:
        yield it


@pytest.fixture
def place(service, bucket):
    transport = dataproc.BatchControllerClient.get_transport_class("grpc")(
        channel=grpc.insecure_channel(service.endpoint)
    )
    client = dataproc.BatchControllerClient(transport=transport)

    def upload_code():
        storage.Client().bucket(bucket).blob("code/main.py").upload_from_string(HELLO)
        return f"gs://{bucket}/code/main.py"

    def driver_log(uri):
        name = uri.removeprefix(f"gs://{bucket}/")
        blobs = storage.Client().list_blobs(bucket, prefix=name)
        return b"".join(it.download_as_bytes() for it in blobs).decode().splitlines()

    return DataprocPlace(
        client=client,
        project="local-project",
        region=REGION,
        settings=DataprocSettings(poll_seconds=0.05, ttl_minutes=600),
        labels={"app": "stock_platform", "run": "A-Run"},
        upload_code=upload_code,
        is_written=lambda _: False,
        driver_log=driver_log,
        patience_s=3,
    )


def batch(bucket, run="run-1", batch_id="stock-prices-20120103-20120104-0123456789ab"):
    folder = f"gs://{bucket}/processed/_staging/{batch_id}/{run}"
    return SparkBatch(batch_id, f"{folder}/request.json", folder)


def run(place, batch, *, is_terminated=lambda: False, log=lambda _: None):
    return DataprocRunner(place, is_terminated).run(batch, log)


def script(service, text):
    service.driver = replace(service.driver, script=text)


def test_a_batch_runs_and_tells_what_it_cost(place, bucket):
    said = []
    done = run(place, batch(bucket), log=said.append)
    assert done.engine == "dataproc 2.3"
    assert done.output_uri == batch(bucket).output_uri
    assert done.facts["dataproc_state"] == "SUCCEEDED"
    assert done.facts["dcu_seconds"] == 720
    # 12 units for a minute at $0.06 an hour, and 6,000 GB s of shuffle at $0.04 a GB and month.
    assert done.facts["estimated_usd"] == pytest.approx(0.012 + 6000 / 2_628_000 * 0.04, abs=1e-6)
    assert done.facts["spark_ui"].startswith("https://history.example/")
    assert done.facts["driver_output"].startswith(f"gs://{bucket}/google-cloud-dataproc-metainfo")
    assert [it.split(":")[0] for it in said][-1] == "batch is SUCCEEDED"


def test_the_batch_is_asked_for_as_the_settings_say(place, service, bucket):
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
    run(replace(place, settings=settings), batch(bucket))
    ((_, asked),) = service.batches.items()
    properties = dict(asked.runtime_config.properties)
    execution = asked.environment_config.execution_config
    assert asked.runtime_config.version == "2.3"
    assert properties["dataproc.tier"] == "premium"
    assert properties["spark.sql.adaptive.enabled"] == "true"
    assert properties["spark.dynamicAllocation.maxExecutors"] == "4"
    assert dict(asked.labels) == {"app": "stock_platform", "run": "a-run"}
    assert list(execution.network_tags) == ["spark", "private"]
    assert execution.service_account == settings.service_account
    assert execution.subnetwork_uri == "private"
    assert execution.staging_bucket == "staging"
    assert execution.kms_key == settings.kms_key
    assert execution.ttl.total_seconds() == 7200


def test_a_running_batch_of_the_same_inputs_is_waited_for(place, service, bucket):
    script(service, "import time; time.sleep(1)")
    first = threading.Thread(target=run, args=(place, batch(bucket)))
    first.start()
    while not service.batches:
        time.sleep(0.01)
    said = []
    done = run(place, batch(bucket, "run-2"), log=said.append)
    first.join()
    assert len(service.batches) == 1
    assert done.output_uri == batch(bucket, "run-1").output_uri
    assert "already: waiting for it" in said[0]


def test_a_batch_that_succeeded_is_taken_while_its_output_is_there(place, service, bucket):
    run(place, batch(bucket))
    done = run(replace(place, is_written=lambda _: True), batch(bucket, "run-2"))
    assert len(service.batches) == 1
    assert done.output_uri == batch(bucket, "run-1").output_uri


def test_a_batch_whose_output_is_gone_runs_under_the_next_number(place, service, bucket):
    run(place, batch(bucket))
    done = run(place, batch(bucket, "run-2"))
    assert [name.rsplit("-", 1)[-1] for name in service.batches] == ["0123456789ab", "2"]
    assert done.output_uri == batch(bucket, "run-2").output_uri


def test_a_failed_driver_is_told_with_its_last_lines_and_the_next_run_tries_again(
    place, service, bucket
):
    script(service, FAILS)
    with pytest.raises(BatchFailedError) as failed:
        run(place, batch(bucket))
    assert "prices.json.gz is no gzip" in str(failed.value)
    assert "Driver exited with code 1" in str(failed.value)
    assert "console.cloud.google.com/dataproc/batches" in str(failed.value)
    script(service, HELLO)
    assert run(place, batch(bucket, "run-2")).facts["dataproc_batch"].endswith("-2")


def test_the_last_lines_of_a_driver_are_found_in_however_many_objects_they_lie(bucket):
    there = storage.Client().bucket(bucket)
    there.blob("x/driveroutput.000000000").upload_from_string("Traceback: the cause\n" * 30)
    there.blob("x/driveroutput.000000001").upload_from_string("ShutdownHookManager\n")
    lake = LakeResource(root=f"gs://{bucket}")
    resource = DataprocServerlessResource(
        gcs=GCSResource(), lake=lake, project="p", region=REGION, deployment="test"
    )
    lines = resource._driver_log(f"gs://{bucket}/x/driveroutput")  # noqa: SLF001 - no other way in
    assert lines == ["Traceback: the cause"] * 30 + ["ShutdownHookManager"]
    (told,) = resource._driver_log("gs://there-is-no-such-bucket/x")  # noqa: SLF001
    assert "cannot be read" in told


def test_a_batch_that_somebody_cancels_fails_and_is_no_success(place, service, bucket):
    script(service, ENDLESS)

    def cancel():
        while not service.batches:
            time.sleep(0.01)
        (found,) = service.batches.values()
        place.client.transport.operations_client.cancel_operation(found.operation)

    threading.Thread(target=cancel).start()
    with pytest.raises(BatchFailedError, match="somebody cancelled it"):
        run(place, batch(bucket))
    assert service.states(batch(bucket).batch_id)[-2:] == ["CANCELLING", "CANCELLED"]


def test_a_batch_that_outlives_its_time_says_which_setting_to_raise(place, service, bucket):
    script(service, ENDLESS)
    short = replace(place, settings=DataprocSettings(poll_seconds=0.05, ttl_minutes=10))
    with pytest.raises(BatchFailedError, match="STOCK_PLATFORM_DATAPROC__TTL_MINUTES"):
        run(short, batch(bucket))


class TerminationError(BaseException):
    """As Dagster interrupts a step."""


@pytest.mark.parametrize(("by_a_person", "state"), [(True, "CANCELLED"), (False, "RUNNING")])
def test_only_a_persons_termination_cancels_the_batch(place, service, bucket, by_a_person, state):
    script(service, ENDLESS)

    def interrupt(line):
        if "RUNNING" in line:
            raise TerminationError

    with pytest.raises(TerminationError):
        run(place, batch(bucket), is_terminated=lambda: by_a_person, log=interrupt)
    time.sleep(0.5)
    assert service.states(batch(bucket).batch_id)[-1] == state
    for found in service.batches.values():
        place.client.transport.operations_client.cancel_operation(found.operation)


@pytest.mark.parametrize("at", ["was asked for", "RUNNING"])
def test_a_termination_cancels_the_batch_at_any_moment_and_through_a_bad_one(
    place, service, bucket, at
):
    script(service, ENDLESS)
    service.fail("CancelOperation", grpc.StatusCode.INTERNAL, "try again", times=1)

    def interrupt(line):
        if at in line:
            raise TerminationError

    with pytest.raises(TerminationError):
        run(place, batch(bucket), is_terminated=lambda: True, log=interrupt)
    deadline = time.monotonic() + 10
    while service.states(batch(bucket).batch_id)[-1] != "CANCELLED":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_termination_before_the_answer_to_the_request_cancels_the_batch(place, service, bucket):
    script(service, ENDLESS)

    class AnswerLost:
        def __getattr__(self, name):
            return getattr(place.client, name)

        def create_batch(self, *asked, **options):
            place.client.create_batch(*asked, **options)
            raise TerminationError

    with pytest.raises(TerminationError):
        run(replace(place, client=AnswerLost()), batch(bucket), is_terminated=lambda: True)
    assert service.states(batch(bucket).batch_id)[-1] in {"CANCELLING", "CANCELLED"}


def test_a_batch_that_cannot_be_cancelled_is_told_and_the_run_ends_all_the_same(
    place, service, bucket
):
    script(service, ENDLESS)
    service.fail("CancelOperation", grpc.StatusCode.PERMISSION_DENIED, "no", times=99)
    said = []

    def interrupt(line):
        said.append(line)
        if "RUNNING" in line:
            raise TerminationError

    with pytest.raises(TerminationError):
        run(place, batch(bucket), is_terminated=lambda: True, log=interrupt)
    assert re.search("goes on costing, cancel it at https://console.cloud.google.com", said[-1])


def test_a_step_that_its_own_run_executes_again_gets_a_batch_of_its_own(place, service, bucket):
    script(service, FAILS)
    with pytest.raises(BatchFailedError):
        run(place, batch(bucket, "run-1-first"))
    script(service, HELLO)
    done = run(place, batch(bucket, "run-1-second"))
    assert done.facts["dataproc_batch"].endswith("-2")


def test_a_batch_that_somebody_deletes_is_told(place, service, bucket):
    script(service, ENDLESS)

    def forget(line):
        if "RUNNING" in line:
            (found,) = service.batches.values()
            place.client.transport.operations_client.cancel_operation(found.operation)
            service.batches.clear()

    with pytest.raises(BatchFailedError, match="Somebody has deleted the batch: run again"):
        run(place, batch(bucket), log=forget)


def test_a_service_that_never_answers_is_not_waited_for_for_ever(place, bucket):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        channel = grpc.insecure_channel(f"127.0.0.1:{silent.getsockname()[1]}")
        transport = dataproc.BatchControllerClient.get_transport_class("grpc")(channel=channel)
        client = dataproc.BatchControllerClient(transport=transport)
        with pytest.raises(BatchFailedError, match="run again later"):
            run(replace(place, client=client, patience_s=2), batch(bucket))
        channel.close()


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
    ],
)
def test_transient_errors_are_borne(place, service, bucket, code):
    service.fail("CreateBatch", code)
    service.fail("GetBatch", code)
    assert run(place, batch(bucket)).facts["dataproc_state"] == "SUCCEEDED"
    assert len(service.batches) == 1


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (
            (grpc.StatusCode.PERMISSION_DENIED, "Permission 'dataproc.batches.create' denied"),
            "dataproc.batches.create.*Grant the account",
        ),
        (
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "Insufficient 'CPUS' quota. Requested 12.0"),
            "CPUS.*MAX_EXECUTORS",
        ),
        ((grpc.StatusCode.UNAVAILABLE, "upstream"), "run again later"),
    ],
)
def test_what_lasts_is_refused_with_what_to_do(place, service, bucket, refusal, says):
    service.fail("CreateBatch", *refusal, times=1000)
    with pytest.raises(BatchFailedError, match=f"(?s){says}"):
        run(place, batch(bucket))
    assert service.batches == {}


def test_another_region_is_refused_with_the_setting(place, bucket):
    with pytest.raises(BatchFailedError, match="STOCK_PLATFORM_REGION"):
        run(replace(place, region="us-east1"), batch(bucket))


def test_the_service_refuses_an_id_that_google_would(place):
    request = dataproc.CreateBatchRequest(
        parent=f"projects/p/locations/{REGION}", batch_id="Not_An_Id", request_id="r"
    )
    with pytest.raises(GoogleAPICallError, match="pattern"):
        place.client.create_batch(request)
