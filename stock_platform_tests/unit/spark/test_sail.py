"""Running batches on a real Sail server in this process."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from stock_platform.spark.batch import BatchFailedError
from stock_platform.spark.sail import SailRunner
from stock_platform_tests.support.raw_lake import RawLake, metrics_of, raw_line


@pytest.fixture
def lake(tmp_path):
    return RawLake(tmp_path).add("2012-01-03", raw_line(), raw_line("MSFT"))


def test_run_reports_engine_and_progress(lake):
    lines = []
    run = SailRunner().run(batch := lake.batch(), lines.append)
    assert run.engine.startswith("sail 0.7")
    assert run.duration_s > 0
    assert lines[-1].endswith("valid prices: 2")
    assert metrics_of(batch)["engine"] == run.engine


def test_concurrent_runs_take_turns(lake):
    batches = [lake.batch(f"batch-{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda batch: SailRunner().run(batch, lambda _: None), batches))
    valid = [metrics_of(batch)["sessions"]["2012-01-03"]["valid"] for batch in batches]
    assert valid == [2, 2, 2]


def test_failure_has_remedy_and_next_run_succeeds(lake):
    file = lake.file("2012-01-03")
    whole = file.read_bytes()
    file.unlink()
    with pytest.raises(BatchFailedError) as failure:
        SailRunner().run(lake.batch("broken"), lambda _: None)
    message = str(failure.value)
    assert "Batch batch-1 failed: FileNotFoundError on sail" in message
    assert "STOCK_PLATFORM_SPARK=spark" in message
    assert message.splitlines()[-1].startswith("1 record files do not exist: /")
    file.write_bytes(whole)
    assert SailRunner().run(lake.batch("repaired"), lambda _: None)


def test_run_leaves_environment_unchanged(lake, monkeypatch):
    monkeypatch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)
    before = dict(os.environ)
    SailRunner().run(lake.batch(), lambda _: None)
    assert dict(os.environ) == before
