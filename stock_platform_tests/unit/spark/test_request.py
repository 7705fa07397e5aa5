"""A batch is identified by its inputs."""

import re
from datetime import datetime, timedelta

import pytest

from spark_jobs.process_stock_prices import Request
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun
from stock_platform.lake.staging import BatchInputs
from stock_platform.spark.request import job_request
from stock_platform_tests.support.raw_runs import store_run

DAYS = ("2012-01-03", "2012-01-04")
KNOWN_FROM = datetime.fromisoformat("2026-11-27T13:00:00+01:00")


@pytest.fixture
def run(tmp_path) -> RawRun:
    return store_run(LakePaths(str(tmp_path)), b"{}", sessions=DAYS)


@pytest.fixture
def batch(run):
    """Compute the id of a batch, with some inputs replaced."""

    def identify(lake="gs://acme-raw", symbols=("A", "B"), days=DAYS, runs=(run,), **others):
        inputs = BatchInputs(days, runs, others.pop("securities", ()))
        others = {"known_from": KNOWN_FROM, "base": {}} | others
        return job_request(lake, inputs, symbols, **others)["batch_id"]

    return identify


def test_request_lists_record_files(run):
    request = job_request(
        "lake", BatchInputs(DAYS[:1], [run]), ["B", "A", "B"], known_from=KNOWN_FROM, base={}
    )
    assert (request["sessions"], request["symbols"]) == (["2012-01-03"], ["A", "B"])
    ((uri, file),) = request["files"].items()
    assert uri == f"{run.uri}/records-00000.json.gz"
    assert (file["run"], file["lines"]) == (str(run.name), 1)
    assert (file["first_session"], file["last_session"]) == DAYS


def test_request_has_base_and_moment(run):
    base = {"stock_prices": {"part": 3}}
    request = job_request(
        "lake",
        BatchInputs(DAYS, [run], ["2", "1", "2"]),
        ["A"],
        known_from=KNOWN_FROM,
        base=base,
    )
    assert request["known_from"] == "2026-11-27T12:00:00.000000+00:00"
    assert request["base"] == base | {"corporate_actions": {}, "quarantine": {}}
    assert request["securities"] == ["1", "2"]
    assert Request(**request).batch_id == request["batch_id"]


def test_same_inputs_give_same_valid_id(batch):
    assert batch() == batch(symbols=("B", "A", "A"))
    # With the longest number appended, Google accepts it.
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", f"{batch()}-999")


@pytest.mark.parametrize(
    "other",
    [
        {"lake": "gs://acme-staging-raw"},
        {"symbols": ("A",)},
        {"days": DAYS[:1]},
        {"runs": ()},
        {"securities": ["1"]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_each_input_changes_batch_id(batch, other):
    assert batch(**other) != batch()


@pytest.mark.parametrize(
    "other",
    [{"known_from": KNOWN_FROM + timedelta(days=1)}, {"base": {"quarantine": {"part": 1}}}],
    ids=lambda changed: next(iter(changed)),
)
def test_processed_versions_keep_batch_id(batch, other):
    assert batch(**other) == batch()


def test_changed_content_changes_batch_id(batch, tmp_path):
    paths = LakePaths(str(tmp_path))
    run = store_run(paths, b"{}", sessions=DAYS)
    before = batch(runs=(run,))
    for details in run.record_files.values():
        details["sha256"] = "00"
    assert batch(runs=(run,)) != before
