"""Remedies for the error messages of Google Cloud.

Errors of BigQuery jobs are created by its client. Messages of batches follow reported messages of
Dataproc clusters; none of a batch was observed.
"""

from datetime import UTC, datetime, timedelta

import google.cloud.dataproc_v1 as dataproc
import pytest
from google.api_core.exceptions import MethodNotImplemented, RetryError, ServiceUnavailable
from google.cloud.bigquery.job.base import _error_result_to_exception

from stock_platform.google.errors import remedy_for
from stock_platform.settings.google import DataprocSettings
from stock_platform.spark.dataproc_batch import failure
from stock_platform.warehouse.bigquery_jobs import translate_google_errors
from stock_platform.warehouse.interface import WarehouseError

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
def test_failed_batch_has_remedy(message, says):
    assert says in remedy(message)


def test_expired_batch_names_time_limit_setting():
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
def test_failed_job_has_remedy(reason, message, says):
    with pytest.raises(WarehouseError, match=says), translate_google_errors():
        raise _error_result_to_exception({"reason": reason, "message": message})


def test_exhausted_retries_have_remedy():
    with pytest.raises(WarehouseError, match="run again later"), translate_google_errors():
        raise RetryError("Timeout of 600.0s exceeded", ServiceUnavailable("upstream"))


@pytest.mark.parametrize(
    ("status", "words", "says"),
    [
        (MethodNotImplemented.code, "Received http2 header with status: 404", "REGION"),
        (503, "Getting metadata from plugin failed: Reauthentication is needed", "auth"),
        (403, "Request had insufficient authentication scopes", "Grant the account"),
        (404, "Requested entity /batches/x was not found", "batch was deleted"),
    ],
)
def test_known_error_has_remedy(status, words, says):
    assert says in remedy_for(status, words)


def test_unknown_status_has_no_remedy():
    assert remedy_for(418, "short and stout") == ""
