"""Run the Spark job on Dataproc Serverless: one batch per set of inputs.

A batch belongs to Google, not to the process that created it: if the process dies, the next one
finds the batch by its id and waits for it. `DataprocRunner.cancel` is for runs that are terminated.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import google.cloud.dataproc_v1 as dataproc
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout
from google.cloud import storage

from stock_platform.google.errors import remedy_for
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.staging import is_staged
from stock_platform.settings.google import DataprocSettings
from stock_platform.spark.batch import BatchFailedError, BatchRun, Log, SparkBatch
from stock_platform.spark.dataproc_batch import (
    ENDED,
    STATES,
    batch_message,
    batch_metadata,
    console_url,
    failure,
    output_uri,
)
from stock_platform.spark.dataproc_storage import read_driver_log, upload_job

_TRANSIENT: Final = (
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
)
_REQUEST_TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class DataprocConfig:
    """Clients, location and options of batches.

    Attributes:
        batches: client of the region's batches.
        storage: client for the job's file and the drivers' output.
        lake: where the job's file is stored.
        labels: of every batch.
        retry_timeout_s: how long a request with transient errors is retried.
    """

    batches: dataproc.BatchControllerClient
    storage: storage.Client
    lake: LakePaths
    project: str
    region: str
    settings: DataprocSettings
    labels: Mapping[str, str]
    retry_timeout_s: float = 600


class DataprocRunner:
    """Runs one batch on Dataproc Serverless."""

    def __init__(self, config: DataprocConfig) -> None:
        self._config = config
        self._parent = f"projects/{config.project}/locations/{config.region}"
        self._requested_id: str | None = None
        self._options: dict[str, Any] = {
            "retry": Retry(
                if_exception_type(*_TRANSIENT),
                initial=1,
                maximum=max(config.settings.poll_seconds, 1),
                timeout=config.retry_timeout_s,
            ),
            # Without a timeout, a server that never answers blocks the run indefinitely.
            "timeout": ConstantTimeout(min(_REQUEST_TIMEOUT_S, config.retry_timeout_s)),  # type: ignore[no-untyped-call]
        }

    def run(self, batch: SparkBatch, log: Log) -> BatchRun:
        """Run a batch to completion, or wait for an existing one with the same inputs.

        Raises:
            BatchFailedError: the batch failed, or Google rejected it.
        """
        started = time.monotonic()
        config = self._config
        try:
            ended = self._wait(self._create_or_attach(batch, log), log)
        except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
            last = error.cause if isinstance(error, exceptions.RetryError) else error
            status, message = getattr(last, "code", 503), str(last)
            raise BatchFailedError(
                batch, f"Dataproc rejected it: {message}", remedy_for(status, message), []
            ) from error
        if ended.state != STATES.SUCCEEDED:
            cause, remedy = failure(ended, config.settings)
            log_tail = read_driver_log(config.storage, ended.runtime_info.output_uri)
            raise BatchFailedError(
                batch, f"{cause} ({self._console(_id(ended))})", remedy, log_tail
            )
        return BatchRun(
            engine=f"dataproc {ended.runtime_config.version}",
            duration_s=time.monotonic() - started,
            output_uri=output_uri(ended),
            metadata=batch_metadata(ended, self._console(_id(ended)), config.settings.tier),
        )

    def cancel(self, log: Log) -> None:
        """Cancel the batch of `run` if it is active; a failure to do so is only logged."""
        batch_id = self._requested_id
        if batch_id is None:
            return
        try:
            found = self._get(batch_id)
            if found.state in ENDED:
                return
            log(f"the run was terminated: cancelling batch {batch_id}")
            operations = self._config.batches.transport.operations_client
            operations.cancel_operation(found.operation, **self._options)
        except exceptions.NotFound:
            return
        except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
            log(
                f"batch {batch_id} could not be cancelled and goes on costing, cancel it at "
                f"{self._console(batch_id)}: {error}"
            )

    def _create_or_attach(self, batch: SparkBatch, log: Log) -> dataproc.Batch:
        """Return the batch of these inputs that is active or has output; else a new one."""
        config = self._config
        code_uri = upload_job(config.storage, config.lake)
        message = batch_message(batch, code_uri, config.settings, config.labels)
        attempt = 1
        while True:
            batch_id = batch.batch_id if attempt == 1 else f"{batch.batch_id}-{attempt}"
            request = dataproc.CreateBatchRequest(
                parent=self._parent,
                batch=message,
                batch_id=batch_id,
                # A repeated request of this attempt returns the same operation.
                request_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch.output_uri} {attempt}")),
            )
            self._requested_id = batch_id
            try:
                config.batches.create_batch(request, **self._options)
            except exceptions.AlreadyExists:
                found = self._get(batch_id)
            else:
                log(f"batch {batch_id} was created, with {code_uri}")
                return self._get(batch_id)
            state = STATES(found.state)
            if state == STATES.SUCCEEDED and is_staged(output_uri(found)):
                log(f"batch {batch_id} has succeeded before: using its output")
                return found
            if state not in ENDED and state != STATES.CANCELLING:
                log(f"batch {batch_id} is {state.name} already: waiting for it")
                return found
            log(
                f"batch {batch_id} is {state.name} and has no usable output: trying the next number"
            )
            attempt += 1

    def _wait(self, batch: dataproc.Batch, log: Log) -> dataproc.Batch:
        """Return the batch when it has ended, and log each change of its state."""
        logged = None
        while True:
            if batch.state != logged:
                logged = batch.state
                log(f"batch is {STATES(logged).name}: {self._console(_id(batch))}")
            if batch.state in ENDED:
                return batch
            time.sleep(self._config.settings.poll_seconds)
            batch = self._get(_id(batch))

    def _get(self, batch_id: str) -> dataproc.Batch:
        name = f"{self._parent}/batches/{batch_id}"
        return self._config.batches.get_batch(name=name, **self._options)

    def _console(self, batch_id: str) -> str:
        return console_url(self._config.project, self._config.region, batch_id)


def _id(batch: dataproc.Batch) -> str:
    return str(batch.name).rsplit("/", 1)[-1]
