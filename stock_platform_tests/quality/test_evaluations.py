"""Evaluations as data: every one, once, whatever run they come from and however often read."""

from datetime import timedelta

import dagster as dg
import pytest

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
