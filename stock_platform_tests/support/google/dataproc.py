"""Dataproc's BatchController for tests: a real gRPC service, which runs drivers.

Like Google's, it keeps batches by id with the history of their states, replays a request id,
rejects an id that is in use, cancels through the operation, and ends batches that exceed their time
to live. Drivers are in `driver`.
"""

import re
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud import dataproc_v1 as dataproc
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from stock_platform_tests.support.google.driver import Driver, Outcome

State = dataproc.Batch.State
ENDED = {State.SUCCEEDED, State.FAILED, State.CANCELLED}
_BATCH_ID = re.compile(r"[a-z0-9][a-z0-9\-]{2,61}[a-z0-9]")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")


class Rejection(Exception):  # noqa: N818 - a response, not a defect
    """The service rejects a request."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Dataproc:
    """The service's state, and controls for tests.

    Attributes:
        driver: runs the batches.
        region: the only region.
        minute_s: real seconds per minute of a time to live.
        faults: the next rejections, by method.
    """

    driver: Driver
    region: str = "europe-west1"
    minute_s: float = 60
    endpoint: str = ""
    batches: dict[str, dataproc.Batch] = field(default_factory=dict)
    faults: dict[str, deque[Rejection]] = field(default_factory=lambda: defaultdict(deque))
    _requests: dict[str, str] = field(default_factory=dict)
    _cancelled: set[str] = field(default_factory=set)
    _lives: list[threading.Thread] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def fail(self, method: str, code: grpc.StatusCode, message: str = "", times: int = 1) -> None:
        """Reject the next calls of a method."""
        self.faults[method].extend(Rejection(code, message) for _ in range(times))

    def states(self, batch_id: str) -> list[str]:
        """The states of a batch, the current one last."""
        batch = next(found for name, found in self.batches.items() if name.endswith(f"/{batch_id}"))
        return [State(past.state).name for past in batch.state_history] + [State(batch.state).name]

    def end_all(self) -> None:
        """Cancel running batches, and wait until they have ended."""
        with self._lock:
            self._cancelled.update(self.batches)
        for life in self._lives:
            life.join()

    def create_batch(self, request: dataproc.CreateBatchRequest) -> operations_pb2.Operation:
        """Begin a batch."""
        with self._lock:
            if request.request_id in self._requests:
                return operations_pb2.Operation(name=self._requests[request.request_id])
            self._require_valid(request)
            name = f"{request.parent}/batches/{request.batch_id}"
            if name in self.batches:
                raise Rejection(
                    grpc.StatusCode.ALREADY_EXISTS,
                    f"Already exists: Failed to create batch: {name}",
                )
            project = request.parent.split("/")[1]
            operation = f"projects/{project}/regions/{self.region}/operations/{uuid.uuid4()}"
            batch = dataproc.Batch(request.batch)
            batch.name, batch.uuid, batch.operation = name, str(uuid.uuid4()), operation
            batch.create_time = batch.state_time = datetime.now(UTC)
            batch.state = State.PENDING
            self.batches[name] = batch
            self._requests[request.request_id] = operation
        life = threading.Thread(target=self._live, args=(batch,), daemon=True)
        self._lives.append(life)
        life.start()
        return operations_pb2.Operation(name=operation)

    def get_batch(self, request: dataproc.GetBatchRequest) -> dataproc.Batch:
        """A batch as it is now."""
        with self._lock:
            if request.name not in self.batches:
                raise Rejection(grpc.StatusCode.NOT_FOUND, f"Not found: Batch {request.name}")
            return dataproc.Batch(self.batches[request.name])

    def cancel_operation(self, request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        """End a running batch."""
        with self._lock:
            for batch in self.batches.values():
                if batch.operation == request.name and batch.state not in ENDED:
                    self._cancelled.add(batch.name)
                    self._enter(batch, State.CANCELLING)
        return empty_pb2.Empty()

    def _require_valid(self, request: dataproc.CreateBatchRequest) -> None:
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        execution = request.batch.environment_config.execution_config
        location = request.parent.split("/")[3]
        if location != self.region:
            raise Rejection(
                invalid, f"Region {location} not found in region list: location mismatch"
            )
        if not _BATCH_ID.fullmatch(request.batch_id):
            raise Rejection(invalid, f"Batch ID '{request.batch_id}' must conform to pattern")
        if len(request.request_id) > 40:
            raise Rejection(invalid, "request_id has more than 40 characters")
        if not all(_LABEL.fullmatch(value) for value in request.batch.labels.values()):
            raise Rejection(invalid, f"label values: {dict(request.batch.labels)}")
        seconds = execution.ttl.total_seconds()
        if not 600 <= seconds <= 14 * 86400:
            raise Rejection(invalid, f"ttl of {seconds} s is not between 10 minutes and 14 days")

    def _live(self, batch: dataproc.Batch) -> None:
        with self._lock:
            if batch.name not in self._cancelled:
                self._enter(batch, State.RUNNING)
        minutes = batch.environment_config.execution_config.ttl.total_seconds() / 60
        deadline = time.monotonic() + minutes * self.minute_s
        outcome = self.driver.run(
            batch, lambda: batch.name in self._cancelled or time.monotonic() > deadline
        )
        with self._lock:
            self._end(batch, outcome, expired=time.monotonic() > deadline)

    def _end(self, batch: dataproc.Batch, outcome: Outcome, *, expired: bool) -> None:
        usage = dataproc.UsageMetrics(
            # At least twelve units for at least a minute.
            milli_dcu_seconds=int(12_000 * max(outcome.seconds, 60)),
            shuffle_storage_gb_seconds=int(100 * max(outcome.seconds, 60)),
        )
        batch.runtime_info = dataproc.RuntimeInfo(
            output_uri=outcome.output_uri,
            approximate_usage=usage,
            endpoints={"Spark History Server": f"https://history.example/{batch.uuid}"},
        )
        if batch.name in self._cancelled:
            self._enter(batch, State.CANCELLED, "Batch cancelled by user")
        elif expired:
            self._enter(batch, State.CANCELLED, "Batch exceeded its TTL")
        elif outcome.status == 0:
            self._enter(batch, State.SUCCEEDED)
        else:
            self._enter(batch, State.FAILED, f"Driver exited with code {outcome.status}")

    def _enter(self, batch: dataproc.Batch, state: State, message: str = "") -> None:
        past = dataproc.Batch.StateHistory(
            state=batch.state, state_message=batch.state_message, state_start_time=batch.state_time
        )
        batch.state_history = [*batch.state_history, past]
        batch.state, batch.state_message = state, message
        batch.state_time = datetime.now(UTC)


@contextmanager
def serve(service: Dataproc) -> Iterator[Dataproc]:
    """Serve on a port of 127.0.0.1."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(_handlers(service))
    service.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield service
    finally:
        server.stop(None).wait()
        service.end_all()


def _handlers(service: Dataproc) -> tuple[grpc.GenericRpcHandler, ...]:
    batches = {
        "CreateBatch": (service.create_batch, dataproc.CreateBatchRequest.deserialize),
        "GetBatch": (service.get_batch, dataproc.GetBatchRequest.deserialize),
    }
    cancel = operations_pb2.CancelOperationRequest.FromString
    operations = {"CancelOperation": (service.cancel_operation, cancel)}
    return tuple(
        grpc.method_handlers_generic_handler(
            name,
            {
                method: grpc.unary_unary_rpc_method_handler(
                    _served(service, method, answer), deserialize, _serialized
                )
                for method, (answer, deserialize) in methods.items()
            },
        )
        for name, methods in (
            ("google.cloud.dataproc.v1.BatchController", batches),
            ("google.longrunning.Operations", operations),
        )
    )


def _served(
    service: Dataproc, method: str, answer: Callable[[Any], Any]
) -> Callable[[Any, grpc.ServicerContext], Any]:
    def handle(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            if service.faults[method]:
                raise service.faults[method].popleft()
            return answer(request)
        except Rejection as rejection:
            context.abort(rejection.code, str(rejection))

    return handle


def _serialized(message: Any) -> bytes:
    if hasattr(message, "SerializeToString"):
        return bytes(message.SerializeToString())
    return bytes(type(message).serialize(message))
