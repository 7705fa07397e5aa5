"""Running batches on a real Sail server in this process."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stock_platform.spark.batch import BatchFailedError
from stock_platform.spark.sail import SailRunner
from stock_platform_tests.support.raw_lake import RawLake, metrics_of, raw_line


@pytest.fixture
def lake(tmp_path):
    return RawLake(tmp_path).add("2012-01-03", raw_line(), raw_line("MSFT"))


def test_a_run_tells_its_engine_and_its_progress(lake):
    said = []
    run = SailRunner().run(batch := lake.batch(), said.append)
    assert run.engine.startswith("sail 0.7")
    assert run.duration_s > 0
    assert said[-1].endswith("valid prices: 2")
    assert metrics_of(batch)["engine"] == run.engine


def test_runs_from_several_threads_take_turns(lake):
    batches = [lake.batch(f"batch-{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda batch: SailRunner().run(batch, lambda _: None), batches))
    valid = [metrics_of(batch)["sessions"]["2012-01-03"]["valid"] for batch in batches]
    assert valid == [2, 2, 2]


def test_a_failure_says_what_to_do_and_the_next_run_is_whole(lake):
    file = Path(lake.inputs["2012-01-03"])
    whole = file.read_bytes()
    file.unlink()
    with pytest.raises(BatchFailedError) as failure:
        SailRunner().run(lake.batch("broken"), lambda _: None)
    told = str(failure.value)
    assert "Batch batch-1 failed: FileNotFoundError on sail" in told
    assert "STOCK_PLATFORM_SPARK=spark" in told
    assert told.splitlines()[-1].startswith("1 inputs do not exist: 2012-01-03 (")
    file.write_bytes(whole)
    assert SailRunner().run(lake.batch("mended"), lambda _: None)


def test_a_run_leaves_the_process_free_for_classic_spark(lake, monkeypatch):
    monkeypatch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)
    before = dict(os.environ)
    SailRunner().run(lake.batch(), lambda _: None)
    assert dict(os.environ) == before
