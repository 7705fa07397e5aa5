"""Running the job on Dataproc Serverless: one batch for the same inputs, whoever asks.

A batch belongs to Google, not to the process that asked for it: when the process dies, the next
one finds the batch by its id and goes on waiting. It is cancelled only when a person terminates
the run.
"""

import itertools
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import google.cloud.dataproc_v1 as dataproc
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    GoogleAPICallError,
    InternalServerError,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type

from stock_platform.google_advice import advice
from stock_platform.google_settings import DataprocSettings
from stock_platform.spark.batch import BatchFailedError, BatchRun, Log, SparkBatch
from stock_platform.spark.dataproc_batch import (
    ENDED,
    STATES,
    batch_message,
    console_url,
    facts,
    failure,
    output_uri,
)

_TRANSIENT: Final = (
    DeadlineExceeded,
    InternalServerError,
    ResourceExhausted,
    ServiceUnavailable,
)


@dataclass(frozen=True)
class DataprocPlace:
    """Where batches run, and with what.

    Attributes:
        client: of the region's BatchController.
        labels: of every batch.
        upload_code: puts the job's file where Dataproc reads it; returns its URI.
        is_written: whether a staging prefix holds a finished batch's output.
        driver_log: the last lines of a driver's output.
        patience_s: how long transient errors are borne.
    """

    client: dataproc.BatchControllerClient
    project: str
    region: str
    settings: DataprocSettings
    labels: Mapping[str, str]
    upload_code: Callable[[], str]
    is_written: Callable[[str], bool]
    driver_log: Callable[[str], Sequence[str]]
    patience_s: float = 600


class DataprocRunner:
    """Runs batches on Dataproc Serverless.

    Args:
        place: where.
        run_id: of the run that asks.
        is_terminated: whether a person has ended the run.
    """

    def __init__(
        self, place: DataprocPlace, run_id: str, is_terminated: Callable[[], bool]
    ) -> None:
        self._place = place
        self._run_id = run_id
        self._is_terminated = is_terminated
        self._retry = Retry(
            if_exception_type(*_TRANSIENT),
            initial=1,
            maximum=max(place.settings.poll_seconds, 1),
            timeout=place.patience_s,
        )

    def run(self, batch: SparkBatch, log: Log) -> BatchRun:
        """Run a batch to its end, or wait for one of the same inputs that is there already.

        Raises:
            BatchFailedError: it did not succeed, or Google refused it.
        """
        started = time.monotonic()
        try:
            found = self._created_or_adopted(batch, log)
            try:
                ended = self._followed(found, log)
            except BaseException:
                if self._is_terminated():
                    self._cancel(found, log)
                raise
        except (GoogleAPICallError, RetryError) as error:
            last = error.cause if isinstance(error, RetryError) else error
            status, words = getattr(last, "code", 503), str(last)
            raise BatchFailedError(
                batch, f"Dataproc refused it: {words}", advice(status, words), []
            ) from error
        if ended.state != STATES.SUCCEEDED:
            cause, remedy = failure(ended, self._place.settings)
            tail = self._place.driver_log(ended.runtime_info.output_uri)
            raise BatchFailedError(batch, f"{cause} ({self._console(ended)})", remedy, tail)
        return BatchRun(
            engine=f"dataproc {ended.runtime_config.version}",
            duration_s=time.monotonic() - started,
            output_uri=output_uri(ended),
            facts=facts(ended, self._place.project, self._place.region, self._place.settings),
        )

    def _created_or_adopted(self, batch: SparkBatch, log: Log) -> dataproc.Batch:
        """The batch of these inputs that runs or has output; else a new one."""
        place = self._place
        code = place.upload_code()
        message = batch_message(batch, code, place.settings, place.labels)
        for attempt in itertools.count(1):
            batch_id = batch.batch_id if attempt == 1 else f"{batch.batch_id}-{attempt}"
            try:
                request = dataproc.CreateBatchRequest(
                    parent=f"projects/{place.project}/locations/{place.region}",
                    batch=message,
                    batch_id=batch_id,
                    # Asked again by this run, Google tells of the same operation.
                    request_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._run_id} {batch_id}")),
                )
                place.client.create_batch(request, retry=self._retry)
            except AlreadyExists:
                found = self._batch(batch_id)
                state = STATES(found.state)
                if state == STATES.SUCCEEDED and place.is_written(output_uri(found)):
                    log(f"batch {batch_id} succeeded before: its output is taken")
                    return found
                if state not in ENDED and state != STATES.CANCELLING:
                    log(f"batch {batch_id} is {state.name} already: waiting for it")
                    return found
                log(f"batch {batch_id} is {state.name} and no use: the next number is tried")
            else:
                log(f"batch {batch_id} was asked for, with {code}")
                return self._batch(batch_id)
        raise AssertionError("itertools.count() ends never")

    def _followed(self, found: dataproc.Batch, log: Log) -> dataproc.Batch:
        """The batch when it has ended; tells each change of its state."""
        told = None
        while True:
            if found.state != told:
                told = found.state
                log(f"batch is {STATES(told).name}: {self._console(found)}")
            if found.state in ENDED:
                return found
            time.sleep(self._place.settings.poll_seconds)
            found = self._batch(found.name.rsplit("/", 1)[-1])

    def _batch(self, batch_id: str) -> dataproc.Batch:
        place = self._place
        name = f"projects/{place.project}/locations/{place.region}/batches/{batch_id}"
        return place.client.get_batch(name=name, retry=self._retry)

    def _cancel(self, found: dataproc.Batch, log: Log) -> None:
        log(f"the run was terminated: batch {found.name} is cancelled")
        self._place.client.transport.operations_client.cancel_operation(found.operation)

    def _console(self, batch: dataproc.Batch) -> str:
        place = self._place
        return console_url(place.project, place.region, batch.name.rsplit("/", 1)[-1])
