"""Names from outside cannot leave their folder, and each object has its own path."""

import inspect
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_platform.lake.paths import LakePaths

PATHS = LakePaths("/lake")


@given(st.text(min_size=1))
def test_generation_stays_in_its_folder(name):
    folder = PATHS.raw_erp("companies", name)
    assert posixpath.normpath(folder) == folder
    assert posixpath.dirname(folder) == "/lake/raw/erp/companies"


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_names_have_different_paths(one, other):
    assert (PATHS.raw_run(one) == PATHS.raw_run(other)) == (one == other)


@pytest.mark.parametrize("key", ["../../etc", "2012-1-3", "", "2012-01-03/.."])
def test_partition_must_be_a_date(key):
    with pytest.raises(ValueError, match="isoformat"):
        PATHS.manifest_0_1_0(key)


def test_layout_matches_the_docs():
    assert PATHS.raw_run("a/b") == "/lake/raw/stock_prices/run=a%2Fb"
    assert PATHS.processed_table("quarantine") == "/lake/processed/quarantine"
    assert PATHS.commit(12) == "/lake/processed/batches/00000012.json"
    assert PATHS.journal() == "/lake/raw/batches"
    assert LakePaths("gs://b/p").staging("batch", "run") == (
        "gs://b/p/processed/_staging/batch/run"
    )


def test_each_layer_can_have_a_bucket():
    paths = LakePaths("gs://acme-{layer}/p")
    assert paths.landing("companies") == "gs://acme-raw/p/landing/erp/companies"
    assert paths.raw_runs_folder() == "gs://acme-raw/p/raw/stock_prices"
    assert paths.commit(0).startswith("gs://acme-processed/p/processed/")
    assert paths.quality_report() == "gs://acme-processed/p/reports/quality.html"
    assert paths.spark_code("d") == "gs://acme-code/p/code/d/process_stock_prices.py"


def test_every_path_is_in_a_layer():
    paths = LakePaths("gs://acme-{layer}")
    arguments = dict.fromkeys(("session", "day"), "2012-01-03")
    methods = [
        member
        for name, member in vars(LakePaths).items()
        if inspect.isfunction(member) and name[0] != "_"
    ]
    assert len(methods) > 20
    for method in methods:
        names = list(inspect.signature(method).parameters)[1:]
        uri = method(paths, *(arguments.get(name, "x") for name in names))
        assert uri.startswith(("gs://acme-raw/", "gs://acme-processed/", "gs://acme-code/")), uri
