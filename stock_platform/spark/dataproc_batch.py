"""A batch of Dataproc Serverless: what is asked for, and what is told of it.

Belongs here: pure functions between our settings and the API's messages. Talking to the API is
in `dataproc`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import google.cloud.dataproc_v1 as dataproc
from google.protobuf.duration_pb2 import Duration

from stock_platform.google_advice import advice
from stock_platform.google_settings import DataprocSettings
from stock_platform.spark.batch import SparkBatch

STATES: Final = dataproc.Batch.State
ENDED: Final = frozenset({STATES.SUCCEEDED, STATES.FAILED, STATES.CANCELLED})
# List prices of us-central1, 2026-11 (cloud.google.com/dataproc-serverless/pricing).
_USD_PER_DCU_HOUR: Final = {"standard": 0.06, "premium": 0.089}
_USD_PER_SHUFFLE_GB_MONTH: Final = {"standard": 0.04, "premium": 0.1}
# The status under which Google tells that a batch could not be given what it needs.
_SHORTAGE: Final = 409
_SECONDS_PER_MONTH: Final = 730 * 3600


def batch_message(
    batch: SparkBatch,
    code_uri: str,
    settings: DataprocSettings,
    labels: Mapping[str, str],
) -> dataproc.Batch:
    """What to ask for.

    Args:
        batch: whose arguments the job gets.
        code_uri: of the job's file.
        settings: how it runs.
        labels: by which costs are told apart; made fit for the API.
    """
    execution = dataproc.ExecutionConfig(
        service_account=settings.service_account or "",
        subnetwork_uri=settings.subnetwork or "",
        network_tags=[it for it in settings.network_tags.split(",") if it],
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
    """The staging prefix that a batch writes, by its own arguments."""
    arguments = list(batch.pyspark_batch.args)
    return arguments[arguments.index("--output") + 1]


def facts(
    batch: dataproc.Batch, project: str, region: str, settings: DataprocSettings
) -> dict[str, Any]:
    """What a person wants to know of a batch that ended, with units in the names."""
    usage = batch.runtime_info.approximate_usage
    dcu_seconds = usage.milli_dcu_seconds / 1000
    name = batch.name.rsplit("/", 1)[-1]
    return {
        "dataproc_batch": name,
        "dataproc_state": STATES(batch.state).name,
        "dataproc_console": console_url(project, region, name),
        "spark_ui": batch.runtime_info.endpoints.get("Spark History Server", ""),
        "driver_output": batch.runtime_info.output_uri,
        "dcu_seconds": dcu_seconds,
        "shuffle_gb_seconds": usage.shuffle_storage_gb_seconds,
        "estimated_usd": round(
            dcu_seconds / 3600 * _USD_PER_DCU_HOUR[settings.tier]
            + usage.shuffle_storage_gb_seconds
            / _SECONDS_PER_MONTH
            * _USD_PER_SHUFFLE_GB_MONTH[settings.tier],
            6,
        ),
    }


def console_url(project: str, region: str, name: str) -> str:
    """Where Google shows a batch."""
    return f"https://console.cloud.google.com/dataproc/batches/{region}/{name}?project={project}"


def failure(batch: dataproc.Batch, settings: DataprocSettings) -> tuple[str, str]:
    """Why a batch did not succeed, and what to do."""
    state = STATES(batch.state).name
    told = batch.state_message or "no reason was given"
    if (
        re.search(r"\bttl\b|time to live", told.lower())
        or _seconds(batch) >= settings.ttl_minutes * 60
    ):
        return (
            f"{state} after its time to live of {settings.ttl_minutes} minutes: {told}",
            "ask for fewer sessions, or raise STOCK_PLATFORM_DATAPROC__TTL_MINUTES.",
        )
    if batch.state == STATES.CANCELLED:
        return f"somebody cancelled it: {told}", "run it again if that was no decision."
    return f"it failed: {told}", advice(_SHORTAGE, told) or ("read the driver's last lines below.")


def _seconds(batch: dataproc.Batch) -> float:
    # The clock of a batch's life begins when it is made, and ends with its last state.
    lived = batch.state_time.timestamp() - batch.create_time.timestamp()
    return float(lived)
