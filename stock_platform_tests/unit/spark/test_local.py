"""The child process of classic Spark: environment, log and end. No JVM is started."""

import json
import os
import sys
from pathlib import Path

import pytest

from stock_platform.spark import local
from stock_platform.spark.batch import BatchFailedError, SparkBatch
from stock_platform.spark.local import LocalSparkRunner

BATCH = SparkBatch("batch-1", "/lake/request.json", "/lake/out")


@pytest.fixture
def job(monkeypatch, tmp_path):
    """Replace the job by another program."""

    def write(program):
        file = tmp_path / "job.py"
        file.write_text(program)
        monkeypatch.setattr(local, "JOB_FILE", file)
        monkeypatch.setattr(local, "find_java_home", lambda: Path("/java/17"))

    return write


def test_job_gets_arguments_and_clean_environment(job, monkeypatch):
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.setenv("SPARK_HOME", "/opt/spark-4")
    job("import json, os, sys; print(sys.argv[1:]); print(json.dumps(dict(os.environ)))")
    lines = []
    run = LocalSparkRunner().run(BATCH, lines.append)
    assert run.engine.startswith("spark 3.5")
    assert lines[0] == "['--request', '/lake/request.json', '--output', '/lake/out']"
    environment = json.loads(lines[1])
    assert environment["PYSPARK_PYTHON"] == sys.executable
    assert environment["JAVA_HOME"] == "/java/17"
    assert "--driver-memory 2g" in environment["PYSPARK_SUBMIT_ARGS"]
    assert not {"SPARK_CONNECT_MODE_ENABLED", "SPARK_HOME"} & set(environment)


def test_failure_shows_end_of_log(job):
    job("import sys; [print(number) for number in range(1000)]; sys.exit('no such file')")
    with pytest.raises(BatchFailedError) as failure:
        LocalSparkRunner().run(BATCH, lambda _: None)
    lines = str(failure.value).splitlines()
    assert lines[0] == "Batch batch-1 failed: local Spark ended with status 1"
    assert "/lake/request.json" in lines[1]
    assert lines[-2:] == ["999", "no such file"]
    assert "900" not in lines


def assert_interruption_ends_child():
    """Interrupt a job when it prints its process number."""
    children = []

    def interrupt(line):
        children.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalSparkRunner().run(BATCH, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_interruption_ends_child(job):
    job("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    assert_interruption_ends_child()


def test_child_ignoring_sigterm_is_killed(job, monkeypatch):
    monkeypatch.setattr(local, "_TERMINATION_TIMEOUT_S", 0.1)
    job(
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )

    assert_interruption_ends_child()
