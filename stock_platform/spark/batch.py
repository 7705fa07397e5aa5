"""Batches of the Spark job, independent of the engine.

Belongs here: what all runners share. A runner has a method `run(batch, log)`, which returns a
`BatchRun` or raises `BatchFailedError`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from stock_platform.errors import StockPlatformError

JOB_FILE: Final = Path(__file__).parents[2] / "spark_jobs" / "process_stock_prices.py"

# Lines of the driver's log in an error: enough for a Python traceback and Spark's cause.
LOG_TAIL_LINES: Final = 40

Log = Callable[[str], object]


@dataclass(frozen=True)
class SparkBatch:
    """One run of the job.

    Attributes:
        batch_id: identifies the batch's inputs; the same id gives the same rows.
        request_uri: URI of its request.json.
        output_uri: staging prefix; complete when it contains metrics.json.
    """

    batch_id: str
    request_uri: str
    output_uri: str

    @property
    def arguments(self) -> list[str]:
        """The job's command-line arguments."""
        return ["--request", self.request_uri, "--output", self.output_uri]


@dataclass(frozen=True)
class BatchRun:
    """A batch that has succeeded.

    Attributes:
        engine: name and version of the engine.
        duration_s: wall time in seconds.
        output_uri: the staging prefix of its output; that of an earlier batch if one with the
            same inputs existed.
        metadata: what the engine reports in addition, such as cost; units in the names.
    """

    engine: str
    duration_s: float
    output_uri: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


class BatchFailedError(StockPlatformError):
    """A batch failed. The message has a remedy and the end of the driver's log."""

    def __init__(self, batch: SparkBatch, cause: str, remedy: str, log: Sequence[str]) -> None:
        tail = "\n".join(log[-LOG_TAIL_LINES:])
        super().__init__(
            f"Batch {batch.batch_id} failed: {cause}\n"
            f"What to do: {remedy} Nothing was published, so it can be run again; "
            f"its request is {batch.request_uri}.\n"
            f"Driver's log:\n{tail}"
        )
