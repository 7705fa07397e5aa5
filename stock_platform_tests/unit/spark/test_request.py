"""A batch is identified by its inputs."""

import re

import pytest

from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun
from stock_platform.spark.request import job_request
from stock_platform_tests.support.raw_runs import store_run

DAYS = ("2012-01-03", "2012-01-04")


@pytest.fixture
def run(tmp_path) -> RawRun:
    return store_run(LakePaths(str(tmp_path)), b"{}", sessions=DAYS)


@pytest.fixture
def batch(run):
    """Compute the id of a batch, with some inputs replaced."""

    def identify(lake="gs://acme-raw", symbols=("A", "B"), days=DAYS, runs=(run,)):
        return job_request(lake, days, symbols, runs)["batch_id"]

    return identify


def test_request_lists_record_files(run):
    request = job_request("lake", DAYS[:1], ["B", "A", "B"], [run])
    assert (request["sessions"], request["symbols"]) == (["2012-01-03"], ["A", "B"])
    ((uri, file),) = request["files"].items()
    assert uri == f"{run.uri}/records-00000.json.gz"
    assert (file["run"], file["lines"]) == (str(run.name), 1)
    assert (file["first_session"], file["last_session"]) == DAYS


def test_same_inputs_give_same_valid_id(batch):
    assert batch() == batch(symbols=("B", "A", "A"))
    # With the longest number appended, Google accepts it.
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", f"{batch()}-999")


@pytest.mark.parametrize(
    "other",
    [{"lake": "gs://acme-staging-raw"}, {"symbols": ("A",)}, {"days": DAYS[:1]}, {"runs": ()}],
    ids=lambda changed: next(iter(changed)),
)
def test_each_input_changes_batch_id(batch, other):
    assert batch(**other) != batch()


def test_changed_content_changes_batch_id(batch, tmp_path):
    paths = LakePaths(str(tmp_path))
    run = store_run(paths, b"{}", sessions=DAYS)
    before = batch(runs=(run,))
    for details in run.record_files.values():
        details["sha256"] = "00"
    assert batch(runs=(run,)) != before
