"""Run the job on classic Spark on this machine, in a child process with its own JVM."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

from stock_platform.spark.batch import (
    JOB_FILE,
    LOG_TAIL_LINES,
    BatchFailedError,
    BatchRun,
    Log,
    SparkBatch,
)
from stock_platform.spark.java import find_java_home

# For 125k rows on 2 cores, C1 and the serial collector reduced the job from 34 to 27 s, and one
# listing by the driver saves a Spark job per read. From a million rows on, C1 alone takes 50 %
# longer: use Dataproc for that size.
_JVM_FLAGS: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_SETTINGS: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
}
# Variables of an earlier Spark in this process, or of another installation.
_INHERITED_SPARK_VARIABLES: Final = (
    "SPARK_REMOTE",
    "SPARK_CONNECT_MODE_ENABLED",
    "SPARK_LOCAL_REMOTE",
    "SPARK_HOME",
)
_MEMORY: Final = "2g"
_TERMINATION_TIMEOUT_S: Final = 10.0


class LocalSparkRunner:
    """Runs each batch in its own process, with at most 2 GB of heap.

    The child uses the Java of `find_java_home`, and is terminated when the run is interrupted.
    """

    def run(self, batch: SparkBatch, log: Log) -> BatchRun:
        """Run a batch to completion.

        Raises:
            BatchFailedError: the job failed.
            NoSuitableJavaError: there is no Java 17.
        """
        started = time.monotonic()
        tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        command = [sys.executable, str(JOB_FILE), *batch.arguments]
        with _child(command, _environment(os.environ)) as child:
            for line in child.stdout or ():
                tail.append(line.rstrip())
                log(tail[-1])
            status = child.wait()
        if status != 0:
            raise BatchFailedError(
                batch,
                f"local Spark ended with status {status}",
                f"read the last error below; if {_MEMORY} ran out, process fewer sessions.",
                list(tail),
            )
        return BatchRun(f"spark {version('pyspark')}", time.monotonic() - started, batch.output_uri)


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment: this interpreter, a Java 17, and no Spark Connect."""
    kept = {
        name: value for name, value in inherited.items() if name not in _INHERITED_SPARK_VARIABLES
    }
    settings = [part for item in _SETTINGS.items() for part in ("--conf", "=".join(item))]
    submit = ["--master", "local[*]", "--driver-memory", _MEMORY, *settings]
    return {
        **kept,
        "JAVA_HOME": str(find_java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": shlex.join(
            [*submit, "--driver-java-options", _JVM_FLAGS, "pyspark-shell"]
        ),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def _child(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Yield a child in its own process group, which does not outlive the block."""
    # S603: the command is this interpreter and a file of this package; arguments are not a shell's.
    child = subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with child:
        try:
            yield child
        finally:
            if child.poll() is None:
                _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_TERMINATION_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
