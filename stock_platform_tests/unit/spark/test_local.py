"""The child process of classic Spark: its environment, its log, its end. No JVM is started."""

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
    """Puts another program in the job's place."""

    def write(program: str) -> None:
        file = tmp_path / "job.py"
        file.write_text(program)
        monkeypatch.setattr(local, "JOB_FILE", file)
        monkeypatch.setattr(local, "find_java_home", lambda: Path("/java/17"))

    return write


def test_the_job_gets_its_arguments_this_python_and_no_trace_of_connect(job, monkeypatch):
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.setenv("SPARK_HOME", "/opt/spark-4")
    job("import json, os, sys; print(sys.argv[1:]); print(json.dumps(dict(os.environ)))")
    said = []
    run = LocalSparkRunner().run(BATCH, said.append)
    assert run.engine.startswith("spark 3.5")
    assert said[0] == "['--request', '/lake/request.json', '--output', '/lake/out']"
    environment = json.loads(said[1])
    assert environment["PYSPARK_PYTHON"] == sys.executable
    assert environment["JAVA_HOME"] == "/java/17"
    assert "--driver-memory 2g" in environment["PYSPARK_SUBMIT_ARGS"]
    assert not {"SPARK_CONNECT_MODE_ENABLED", "SPARK_HOME"} & set(environment)


def test_a_failure_ends_in_the_tail_of_the_log(job):
    job("import sys; [print(number) for number in range(1000)]; sys.exit('no such file')")
    with pytest.raises(BatchFailedError) as failure:
        LocalSparkRunner().run(BATCH, lambda _: None)
    told = str(failure.value).splitlines()
    assert told[0] == "Batch batch-1 failed: local Spark ended with status 1"
    assert "/lake/request.json" in told[1]
    assert told[-2:] == ["999", "no such file"]
    assert "900" not in told


def test_an_interrupted_run_takes_its_child_with_it(job):
    job("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    children = []

    def interrupt(line):
        children.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalSparkRunner().run(BATCH, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_a_child_that_ignores_the_request_to_end_is_killed(job, monkeypatch):
    monkeypatch.setattr(local, "_TERMINATION_TIMEOUT_S", 0.1)
    job(
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalSparkRunner().run(BATCH, interrupt)
