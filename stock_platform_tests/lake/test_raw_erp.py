"""ERP batches: the newest file, generations by content, and the current batch."""

import os
from dataclasses import replace

import pytest

from stock_platform.lake import files, raw_erp
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_erp import ErpBatch, NoErpFileError


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "a [lake]"))


def drop(paths, name, content, at):
    uri = f"{paths.landing('companies')}/{name}"
    files.write(uri, content)
    os.utime(uri, (at, at))


def batch(generation="a-1", name="Apple", day=1):
    row = {"TICKER": "A", "COMPANY_NAME": name, "LOADED_AT": f"2026-01-0{day}T00:00:00+00:00"}
    return ErpBatch("companies", generation, "a.csv", [row], [])


def test_the_file_that_was_dropped_last_counts(paths):
    drop(paths, "z.csv", b"old", 1_000)
    drop(paths, "a.csv", b"new", 2_000)
    drop(paths, "later.txt", b"no csv", 3_000)
    assert raw_erp.newest_file(paths, "companies").content == b"new"


def test_a_file_of_the_same_name_with_other_content_is_another_generation(paths):
    drop(paths, "a.csv", b"one", 1_000)
    one = raw_erp.newest_file(paths, "companies").generation
    drop(paths, "a.csv", b"two", 1_000)
    assert raw_erp.newest_file(paths, "companies").generation != one


def test_an_empty_landing_folder_says_where_to_drop_a_file(paths):
    with pytest.raises(NoErpFileError, match="landing/erp/companies"):
        raw_erp.newest_file(paths, "companies")
    with pytest.raises(NoErpFileError, match="materialize raw_erp_companies first"):
        raw_erp.load(paths, "companies")


def test_the_same_generation_again_keeps_the_moment_of_its_first_load(paths):
    raw_erp.save(paths, batch(day=1))
    raw_erp.save(paths, batch(day=2))
    assert raw_erp.load(paths, "companies") == batch(day=1)


def test_the_same_file_read_by_better_rules_replaces_what_was_read(paths):
    raw_erp.save(paths, batch(name="Aple"))
    raw_erp.save(paths, batch(name="Apple", day=2))
    assert raw_erp.load(paths, "companies") == batch(name="Apple", day=2)


def test_a_name_from_outside_stays_in_its_folder(paths):
    raw_erp.save(paths, replace(batch(), generation="../../../etc/x"))
    assert raw_erp.load(paths, "companies").generation == "../../../etc/x"
    assert files.exists(f"{paths.raw_erp('companies', '../../../etc/x')}/accepted.json.gz")
