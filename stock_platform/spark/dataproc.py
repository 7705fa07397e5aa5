"""Running the job on Dataproc Serverless: one batch for the same inputs, whoever asks.

A batch belongs to Google, not to the process that asked for it: when the process dies, the next
one finds the batch by its id and goes on waiting. It is cancelled only when the run is terminated:
by a person, or by Dagster's run monitoring after `max_runtime_seconds`.
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
    NotFound,
    ResourceExhausted,
    RetryError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout

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
_ANSWER_WITHIN_S: Final = 60


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
        is_terminated: whether the run has been ended from outside.
    """

    def __init__(self, place: DataprocPlace, is_terminated: Callable[[], bool]) -> None:
        self._place = place
        self._is_terminated = is_terminated
        self._asked_for = ""
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
            ended = self._ended(batch, log)
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

    def _ended(self, batch: SparkBatch, log: Log) -> dataproc.Batch:
        """The batch when it has ended; cancelled if the run is terminated meanwhile."""
        try:
            return self._followed(self._created_or_adopted(batch, log), log)
        except BaseException:
            if self._asked_for and self._is_terminated():
                self._cancel(log)
            raise

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
                    # Asked again by this attempt, Google tells of the same operation.
                    request_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch.output_uri} {attempt}")),
                )
                self._asked_for = batch_id
                place.client.create_batch(request, retry=self._retry, timeout=self._deadline)
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
        return place.client.get_batch(name=name, retry=self._retry, timeout=self._deadline)

    @property
    def _deadline(self) -> ConstantTimeout:
        # Without one a server that never answers is waited for for ever.
        return ConstantTimeout(min(_ANSWER_WITHIN_S, self._place.patience_s))  # type: ignore[no-untyped-call]

    def _cancel(self, log: Log) -> None:
        """Cancel what was asked for; whatever comes of it, the run ends as it was told to."""
        batch_id = self._asked_for
        try:
            found = self._batch(batch_id)
            if found.state in ENDED:
                return
            log(f"the run was terminated: batch {batch_id} is cancelled")
            self._place.client.transport.operations_client.cancel_operation(
                found.operation, retry=self._retry, timeout=self._deadline
            )
        except NotFound:
            return
        except (GoogleAPICallError, RetryError) as error:
            log(
                f"batch {batch_id} could not be cancelled and goes on costing, cancel it at "
                f"{console_url(self._place.project, self._place.region, batch_id)}: {error}"
            )

    def _console(self, batch: dataproc.Batch) -> str:
        place = self._place
        return console_url(place.project, place.region, batch.name.rsplit("/", 1)[-1])
