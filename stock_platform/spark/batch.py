"""What a run of the Spark job is, whatever engine runs it.

Belongs here: the port that the runners fill, and what they share. Not what the job does to a line,
and nothing of one engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

JOB_FILE: Final = Path(__file__).parents[2] / "spark_jobs" / "process_stock_prices.py"

# What of a driver's log is told with a failure: a Python traceback and Spark's cause fit in it.
LOG_TAIL_LINES: Final = 40

Log = Callable[[str], object]


@dataclass(frozen=True)
class SparkBatch:
    """One run of the job.

    Attributes:
        batch_id: Identifies the batch's inputs; the same id gives the same rows.
        request_uri: Where its request.json lies.
        output_uri: Staging prefix; complete when it holds metrics.json.
    """

    batch_id: str
    request_uri: str
    output_uri: str

    @property
    def arguments(self) -> list[str]:
        """The job's command line."""
        return ["--request", self.request_uri, "--output", self.output_uri]


@dataclass(frozen=True)
class BatchRun:
    """A batch that has succeeded.

    Attributes:
        engine: what ran it.
        duration_s: for how long.
        output_uri: the staging prefix that it wrote; another one than was asked for where a
            batch of the same inputs was there already.
        facts: what its engine tells beside, such as cost; units in the names.
    """

    engine: str
    duration_s: float
    output_uri: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class SparkRunner(Protocol):
    """Something that can run the job."""

    def run(self, batch: SparkBatch, log: Log) -> BatchRun:
        """Run a batch to its end.

        Args:
            batch: What to run.
            log: Takes the driver's log, line by line.

        Raises:
            BatchFailedError: The job did not succeed; its staging prefix may be half written.
        """
        ...


class BatchFailedError(RuntimeError):
    """A batch did not succeed. Says what to do, and ends in the tail of the driver's log."""

    def __init__(self, batch: SparkBatch, cause: str, remedy: str, log: Sequence[str]) -> None:
        tail = "\n".join(log[-LOG_TAIL_LINES:])
        super().__init__(
            f"Batch {batch.batch_id} failed: {cause}\n"
            f"What to do: {remedy} Nothing of it was published, so it can be run again as it is; "
            f"its request is {batch.request_uri}.\n"
            f"Driver's log:\n{tail}"
        )
