"""Damaged objects of the lake are named, refused, and made again from the layer before."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from stock_platform.lake.processed import part_uri, read_state
from stock_platform.lake.raw_runs import runs_of
from stock_platform_tests.support.platform_fixture import (
    SAMPLE_COMPANIES,
    Platform,
    error_text,
    step_errors,
)

FIRST, LAST, NEXT = "2012-11-05", "2012-11-09", "2012-11-12"
FACTS = ("fact_stock_price", "fact_corporate_action")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("rebuild")) as platform:
        platform.load_sample_dimensions()
        assert platform.run("daily_stock_prices", FIRST, LAST).success
        yield platform, {name: platform.table(name) for name in FACTS}


def require_unchanged(platform, before):
    assert platform.run("rebuild_warehouse").success
    for name, rows in before.items():
        pd.testing.assert_frame_equal(platform.table(name), rows, obj=name)


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def part_of(platform, table="stock_prices"):
    (part,) = read_state(platform.paths).parts(table)
    return Path(part_uri(platform.paths, part))


@pytest.mark.parametrize("table", ["stock_prices", "corporate_actions"])
def test_damaged_part_is_refused_and_made_again(loaded, table):
    platform, before = loaded
    damaged = part_of(platform, table)
    flip(damaged)
    assert f"would be lost: {damaged}" in step_errors(platform.run("rebuild_warehouse"))
    result = platform.run("daily_stock_prices", FIRST, LAST)
    assert f"{damaged} is missing or was changed" in step_errors(result)
    assert platform.run("rebuild_processed_prices").success
    require_unchanged(platform, before)


def test_other_sessions_go_on_beside_a_damaged_part(loaded):
    platform, _ = loaded
    damaged = part_of(platform)
    intact = damaged.read_bytes()
    flip(damaged)
    # Checks that compare the bar with earlier ones fail.
    platform.run("daily_stock_prices", NEXT)
    damaged.write_bytes(intact)
    assert NEXT in set(platform.table("fact_stock_price")["TradeDate"].astype(str))


def test_lost_processed_layer_is_made_again(loaded):
    platform, _ = loaded
    before = {name: platform.table(name) for name in FACTS}
    shutil.rmtree(Path(platform.settings.lake, "processed"))
    assert platform.run("rebuild_processed_prices").success
    require_unchanged(platform, before)


def test_lost_part_is_made_again_after_a_correction_of_a_symbol(loaded):
    platform, _ = loaded
    before = {name: platform.table(name) for name in FACTS}
    shutil.rmtree(Path(platform.settings.lake, "processed", "stock_prices"))
    corrected = [row.replace(",AAPL,", ",APPL,") for row in SAMPLE_COMPANIES]
    assert corrected != SAMPLE_COMPANIES
    platform.load_dimensions(*corrected)
    assert platform.run("rebuild_processed_prices").success
    platform.load_sample_dimensions()
    require_unchanged(platform, before)


def test_lost_run_is_named_unless_withdrawn(loaded):
    platform, _ = loaded
    assert platform.materialize("raw_stock_prices", first=FIRST).success
    assert platform.materialize("processed_stock_prices", first=FIRST).success
    newest = runs_of(platform.paths, [FIRST])[-1]
    withdrawn = Path(platform.paths.withdrawn_raw_runs())
    withdrawn.mkdir()
    moved = Path(newest.uri).rename(withdrawn.parent / "moved")
    result = platform.materialize("processed_stock_prices", first=FIRST)
    assert f"raw run {newest.name} was processed and is missing" in step_errors(result)
    moved.rename(withdrawn / Path(newest.uri).name)
    assert platform.materialize("processed_stock_prices", first=FIRST).success
    (withdrawn / Path(newest.uri).name).rename(newest.uri)


def test_damaged_commit_is_restored(loaded):
    platform, _ = loaded
    before = {name: platform.table(name) for name in FACTS}
    commit = Path(platform.paths.commit(0))
    content = commit.read_bytes()
    flip(commit)
    result = platform.materialize(*FACTS, first=FIRST)
    assert f"{commit} is damaged" in step_errors(result)
    assert platform.run("rebuild_processed_prices").success
    assert commit.read_bytes() == content
    require_unchanged(platform, before)


def test_damaged_records_are_refused_and_made_again(loaded):
    platform, _ = loaded
    (uri,) = runs_of(platform.paths, [FIRST])[0].record_files
    records = Path(uri)
    content = records.read_bytes()
    flip(records)
    # A session of the run that was not the last one processed.
    result = platform.materialize("processed_stock_prices", first=LAST)
    assert records.name in error_text(result)
    assert platform.run("rebuild_raw_prices").success
    assert records.read_bytes() == content
    assert platform.materialize("processed_stock_prices", first=LAST).success


def test_records_without_intact_responses_are_a_problem(loaded):
    platform, _ = loaded
    (uri,) = runs_of(platform.paths, [FIRST])[0].record_files
    files = Path(uri), Path(uri.replace("records-", "responses-"))
    contents = [file.read_bytes() for file in files]
    for file in files:
        flip(file)
    result = platform.run("rebuild_raw_prices")
    assert f"{uri} cannot be made again" in step_errors(result)
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)


def test_intact_lake_is_left_alone(loaded):
    platform, _ = loaded
    before = read_state(platform.paths).commits
    assert platform.run("rebuild_processed_prices").success
    assert platform.run("rebuild_raw_prices").success
    assert read_state(platform.paths).commits == before
