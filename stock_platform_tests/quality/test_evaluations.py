"""Evaluations as data: every one, once, whatever run they come from and however often read."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stock_platform.automation.pruning import prune_events
from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.lake import check_results
from stock_platform.lake.loaded import DamagedError
from stock_platform.quality.evaluations import collect

FIRST, LAST = "2012-08-31", "2012-09-07"
SESSIONS = {"2012-08-31", "2012-09-04", "2012-09-05", "2012-09-06", "2012-09-07"}
KEY = ["RunId", "Asset", "CheckName", "PartitionKey"]


@pytest.fixture
def judged(platform):
    platform.load_sample_dimensions()
    platform.run("daily_stock_prices", FIRST, LAST)
    collect(platform.instance, platform.paths, platform.warehouse)
    return platform


def results(platform):
    return platform.table("asset_check_result")


def test_a_range_run_gives_a_row_for_each_check_and_session_and_no_sum(judged):
    rows = results(judged)
    by_check = rows[rows["CheckName"] == "every_line_accounted_for"]
    assert set(by_check["PartitionKey"]) == SESSIONS
    assert by_check["Blocking"].all()
    assert not rows.duplicated(KEY).any()
    whole = rows[rows["CheckName"] == "contract_matches"]
    assert set(whole["PartitionKey"]) == {""}


def test_what_offended_is_kept_with_its_sentence_and_sample(judged):
    rows = results(judged).set_index("CheckName")
    fresh = rows.loc["fresh"]
    assert (fresh["Passed"], fresh["Severity"], fresh["OffendingRows"]) == (False, "WARN", 22)
    assert "prices are there up to 2012-09-07" in fresh["Description"]
    assert fresh["Sample"].startswith('["2013-')


def test_collecting_again_changes_nothing(judged):
    before = results(judged)
    collect(judged.instance, judged.paths, judged.warehouse)
    assert results(judged).equals(before)


def test_only_runs_since_the_last_time_are_read(judged, monkeypatch):
    read = []
    monkeypatch.setattr("stock_platform.quality.evaluations._OVERLAP", timedelta(0))
    monkeypatch.setattr(
        "stock_platform.quality.evaluations.run_evaluations",
        lambda _, run_id: read.append(run_id) or [],
    )
    result = judged.materialize("fact_stock_price", first=FIRST)
    collect(judged.instance, judged.paths, judged.warehouse)
    assert read[-1] == result.run_id
    assert len(read) <= 2


def test_a_run_that_is_going_on_is_read_again_when_it_has_ended(platform):
    platform.load_sample_dimensions()
    seen = []

    @dg.op
    def look(context: dg.OpExecutionContext) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("fact_stock_price"),
            check_name="no_gaps",
            passed=True,
            metadata={},
            partition=f"2012-09-0{len(seen) + 4}",
        )
        context.log_event(evaluation)  # type: ignore[arg-type]
        collect(platform.instance, platform.paths, platform.warehouse)
        seen.append(len(results(platform).query("CheckName == 'no_gaps'")))

    @dg.job(executor_def=dg.in_process_executor)
    def slow() -> None:
        look()
        look.alias("again")()

    assert slow.execute_in_process(instance=platform.instance).success
    assert seen == [1, 2]


def again(platform):
    collect(platform.instance, platform.paths, platform.warehouse)
    return results(platform)


def in_lake(platform):
    """What the lake has, as the warehouse would show it."""
    days = [check_results.read(platform.paths, it) for it in check_results.days(platform.paths)]
    rows = pa.concat_tables(days).to_pandas()
    return rows.sort_values(KEY, ignore_index=True)


def pruned(platform):
    """The verdicts; Dagster has forgotten them."""
    assert prune_events(platform.instance, datetime.now(UTC) + timedelta(days=1)) > 0
    return results(platform)


def test_verdicts_that_the_lake_lost_are_given_back_by_the_warehouse_when_events_are_pruned(judged):
    before = pruned(judged)
    folder = Path(judged.paths.check_results_folder())
    shutil.rmtree(folder)
    assert again(judged).equals(before)
    assert in_lake(judged).equals(before.sort_values(KEY, ignore_index=True))
    assert again(judged).equals(before)


def test_an_object_that_was_removed_comes_back_though_its_folder_stayed(judged):
    before = pruned(judged)
    (day,) = check_results.days(judged.paths)
    Path(judged.paths.check_results(day)).unlink()
    assert again(judged).equals(before)
    assert check_results.days(judged.paths) == [day]


def test_a_damaged_day_says_what_to_do_and_comes_back_by_it(judged):
    before = pruned(judged)
    (day,) = check_results.days(judged.paths)
    damaged = Path(judged.paths.check_results(day))
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(DamagedError, match=r"remove it: the next quality_report writes it anew"):
        again(judged)
    assert results(judged).equals(before)
    damaged.unlink()
    assert again(judged).equals(before)
    assert in_lake(judged).equals(before.sort_values(KEY, ignore_index=True))


def test_a_run_without_rows_in_the_lake_keeps_those_of_the_warehouse(judged, monkeypatch):
    """Of a lost day that the lake has again, by another run of it."""
    before = pruned(judged)
    monkeypatch.setattr("stock_platform.quality.evaluations.give_back", lambda *_: 0)
    shutil.rmtree(judged.paths.check_results_folder())
    assert again(judged).equals(before)


def test_a_run_that_dagster_forgot_too_lies_by_its_first_verdict_and_only_once(judged):
    before = results(judged)
    for run_id in set(before["RunId"]):
        judged.instance.delete_run(run_id)
    shutil.rmtree(judged.paths.check_results_folder())
    # One of them was created before midnight, and the lake has it by that day.
    rows = judged.warehouse.read(ASSET_CHECK_RESULT)
    early = rows.filter(pc.equal(rows["RunId"], rows["RunId"][0]))
    first = before["EvaluatedAt"].min().date()
    check_results.add(judged.paths, (first - timedelta(days=1)).isoformat(), early)
    assert again(judged).equals(before)
    assert in_lake(judged).equals(before.sort_values(KEY, ignore_index=True))
