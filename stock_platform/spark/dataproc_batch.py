"""Messages of Dataproc Serverless: batch requests, metadata and failures.

Belongs here: pure functions between our settings and the API's messages. Requests are in
`dataproc`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import google.cloud.dataproc_v1 as dataproc
from google.protobuf.duration_pb2 import Duration

from stock_platform.google.errors import remedy_for
from stock_platform.settings.google import DataprocSettings
from stock_platform.spark.batch import SparkBatch

STATES: Final = dataproc.Batch.State
ENDED: Final = frozenset({STATES.SUCCEEDED, STATES.FAILED, STATES.CANCELLED})
# List prices of us-central1, 2026-11 (cloud.google.com/dataproc-serverless/pricing).
_USD_PER_DCU_HOUR: Final = {"standard": 0.06, "premium": 0.089}
_USD_PER_SHUFFLE_GB_MONTH: Final = {"standard": 0.04, "premium": 0.1}
# HTTP status of errors about missing resources, such as quotas.
_CONFLICT: Final = 409
_SECONDS_PER_MONTH: Final = 730 * 3600


def batch_message(
    batch: SparkBatch,
    code_uri: str,
    settings: DataprocSettings,
    labels: Mapping[str, str],
) -> dataproc.Batch:
    """Return the batch to create.

    Args:
        batch: the source of the job's arguments.
        code_uri: URI of the job's file.
        settings: options of the batch.
        labels: for the cost report; invalid characters are replaced.
    """
    execution = dataproc.ExecutionConfig(
        service_account=settings.service_account or "",
        subnetwork_uri=settings.subnetwork or "",
        network_tags=[tag for tag in settings.network_tags.split(",") if tag],
        kms_key=settings.kms_key or "",
        staging_bucket=settings.staging_bucket or "",
        ttl=Duration(seconds=settings.ttl_minutes * 60),
    )
    return dataproc.Batch(
        pyspark_batch=dataproc.PySparkBatch(
            main_python_file_uri=code_uri, args=list(batch.arguments)
        ),
        labels={name: _label(value) for name, value in labels.items()},
        runtime_config=dataproc.RuntimeConfig(
            version=settings.runtime_version, properties=_properties(settings)
        ),
        environment_config=dataproc.EnvironmentConfig(execution_config=execution),
    )


def _properties(settings: DataprocSettings) -> dict[str, str]:
    return {
        "dataproc.tier": settings.tier,
        "spark.sql.adaptive.enabled": "true",
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": str(settings.min_executors),
        "spark.dynamicAllocation.maxExecutors": str(settings.max_executors),
        "spark.dynamicAllocation.initialExecutors": str(settings.min_executors),
        "spark.sql.session.timeZone": "UTC",
    }


def _label(value: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:63]


def output_uri(batch: dataproc.Batch) -> str:
    """Return the staging prefix that a batch writes to, from its arguments."""
    arguments = list(batch.pyspark_batch.args)
    return arguments[arguments.index("--output") + 1]


def batch_metadata(
    batch: dataproc.Batch, console: str, tier: Literal["standard", "premium"]
) -> dict[str, Any]:
    """Return the metadata of an ended batch, with units in the names."""
    usage = batch.runtime_info.approximate_usage
    dcu_seconds = usage.milli_dcu_seconds / 1000
    return {
        "dataproc_batch": batch.name.rsplit("/", 1)[-1],
        "dataproc_state": STATES(batch.state).name,
        "dataproc_console": console,
        "spark_ui": batch.runtime_info.endpoints.get("Spark History Server", ""),
        "driver_output": batch.runtime_info.output_uri,
        "dcu_seconds": dcu_seconds,
        "shuffle_gb_seconds": usage.shuffle_storage_gb_seconds,
        "estimated_usd": round(
            dcu_seconds / 3600 * _USD_PER_DCU_HOUR[tier]
            + usage.shuffle_storage_gb_seconds
            / _SECONDS_PER_MONTH
            * _USD_PER_SHUFFLE_GB_MONTH[tier],
            6,
        ),
    }


def console_url(project: str, region: str, name: str) -> str:
    """Return the URL of a batch in Google's console."""
    return f"https://console.cloud.google.com/dataproc/batches/{region}/{name}?project={project}"


def failure(batch: dataproc.Batch, settings: DataprocSettings) -> tuple[str, str]:
    """Return why an ended batch did not succeed, and what to do about it."""
    state = STATES(batch.state).name
    reason = batch.state_message or "no reason was given"
    # The time to live starts when the batch is created.
    lived_s = batch.state_time.timestamp() - batch.create_time.timestamp()
    if (
        re.search(r"\bttl\b|time to live", reason, re.IGNORECASE)
        or lived_s >= settings.ttl_minutes * 60
    ):
        return (
            f"{state} after its time to live of {settings.ttl_minutes} minutes: {reason}",
            "process fewer sessions, or raise STOCK_PLATFORM_DATAPROC__TTL_MINUTES.",
        )
    if batch.state == STATES.CANCELLED:
        return f"it was cancelled: {reason}", "run it again unless that was intended."
    return f"it failed: {reason}", remedy_for(_CONFLICT, reason) or (
        "read the driver's last lines below."
    )
