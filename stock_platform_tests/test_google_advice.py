"""Google's own words lead to what a person can do about them.

Words of BigQuery's jobs are as its client makes errors of them. A batch's are those that Dataproc
is reported to use for clusters; no batch's were seen.
"""

from datetime import UTC, datetime, timedelta

import google.cloud.dataproc_v1 as dataproc
import pytest
from google.api_core.exceptions import MethodNotImplemented, RetryError, ServiceUnavailable
from google.cloud.bigquery.job.base import _error_result_to_exception

from stock_platform.google_advice import advice
from stock_platform.google_settings import DataprocSettings
from stock_platform.spark.dataproc_batch import failure
from stock_platform.warehouse.bigquery_jobs import explained
from stock_platform.warehouse.port import WarehouseError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def remedy(message, minutes=2):
    batch = dataproc.Batch(
        state=dataproc.Batch.State.FAILED,
        state_message=message,
        create_time=NOW,
        state_time=NOW + timedelta(minutes=minutes),
    )
    return failure(batch, DataprocSettings())[1]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("requests to Cloud Storage were throttled (429)", "driver's last lines"),
        ("IllegalStateException: gs://bucket/x was not settled", "driver's last lines"),
        ("Batch reached its TTL", "TTL_MINUTES"),
        ("Insufficient 'CPUS' quota. Requested 12.0, available 8.0.", "MAX_EXECUTORS"),
        ("Subnetwork 'default' does not support Private Google Access", "SUBNETWORK"),
    ],
)
def test_a_batch_that_failed_says_what_to_do(message, says):
    assert says in remedy(message)


def test_a_batch_that_lived_for_its_whole_time_was_ended_by_it():
    assert "TTL_MINUTES" in remedy("Batch was stopped", minutes=120)


@pytest.mark.parametrize(
    ("reason", "message", "says"),
    [
        (
            "bytesBilledLimitExceeded",
            "Query exceeded limit for bytes billed: 107374182400. 217374182400 or higher required.",
            "STOCK_PLATFORM_BIGQUERY__MAX_QUERY_BYTES",
        ),
        (
            "notFound",
            "Not found: Table p:d.fact_stock_price was not found in location EU",
            "Materialize the asset",
        ),
        (
            "jobRateLimitExceeded",
            "Exceeded rate limits: too many table update operations for this table",
            "wait and run again",
        ),
    ],
)
def test_a_job_that_failed_says_what_to_do(reason, message, says):
    with pytest.raises(WarehouseError, match=says), explained():
        raise _error_result_to_exception({"reason": reason, "message": message})


def test_asking_again_and_again_in_vain_says_so():
    with pytest.raises(WarehouseError, match="run again later"), explained():
        raise RetryError("Timeout of 600.0s exceeded", ServiceUnavailable("upstream"))


@pytest.mark.parametrize(
    ("status", "words", "says"),
    [
        (MethodNotImplemented.code, "Received http2 header with status: 404", "REGION"),
        (503, "Getting metadata from plugin failed: Reauthentication is needed", "auth"),
        (403, "Request had insufficient authentication scopes", "Grant the account"),
        (404, "Requested entity /batches/x was not found", "deleted the batch"),
    ],
)
def test_an_answer_says_what_to_do(status, words, says):
    assert says in advice(status, words)


def test_nobody_knows_what_to_do_about_a_teapot():
    assert advice(418, "short and stout") == ""
