"""Every check result is collected exactly once, however often its run is read."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stock_platform.contracts import ASSET_CHECK_RESULT
from stock_platform.lake import check_results
from stock_platform.lake.files import CorruptObjectError
from stock_platform.orchestration.check_results import collect
from stock_platform.orchestration.check_results.collect import collect_check_results
from stock_platform.orchestration.dagster_internals.event_pruning import prune_events

FIRST, LAST = "2012-08-31", "2012-09-07"
SESSIONS = {"2012-08-31", "2012-09-04", "2012-09-05", "2012-09-06", "2012-09-07"}
KEY = ["RunId", "Asset", "CheckName", "PartitionKey"]


@pytest.fixture
def collected(platform):
    platform.load_sample_dimensions()
    platform.run("daily_stock_prices", FIRST, LAST)
    collect_check_results(platform.instance, platform.paths, platform.warehouse)
    return platform


def results(platform):
    return platform.table("asset_check_result")


def test_range_run_has_row_per_session(collected):
    rows = results(collected)
    by_check = rows[rows["CheckName"] == "all_records_accounted_for"]
    assert set(by_check["PartitionKey"]) == SESSIONS
    assert by_check["Blocking"].all()
    assert not rows.duplicated(KEY).any()
    whole = rows[rows["CheckName"] == "contract_matches"]
    assert set(whole["PartitionKey"]) == {""}


def test_failures_keep_summary_and_examples(collected):
    rows = results(collected).set_index("CheckName")
    fresh = rows.loc["fresh"]
    assert (fresh["Passed"], fresh["Severity"], fresh["OffendingRows"]) == (False, "WARN", 22)
    assert "prices up to 2012-09-07" in fresh["Description"]
    assert fresh["Sample"].startswith('["2013-')


def test_collecting_again_changes_nothing(collected):
    before = results(collected)
    assert again(collected).equals(before)


def test_only_new_runs_are_read(collected, monkeypatch):
    read = []
    monkeypatch.setattr(collect, "_OVERLAP", timedelta(0))
    monkeypatch.setattr(collect, "run_check_results", lambda _, run_id: read.append(run_id) or [])
    result = collected.materialize("fact_stock_price", first=FIRST)
    again(collected)
    assert read[-1] == result.run_id
    assert len(read) <= 2


def test_run_in_progress_is_read_again(platform):
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
        collect_check_results(platform.instance, platform.paths, platform.warehouse)
        seen.append(len(results(platform).query("CheckName == 'no_gaps'")))

    @dg.job(executor_def=dg.in_process_executor)
    def slow() -> None:
        look()
        look.alias("again")()

    assert slow.execute_in_process(instance=platform.instance).success
    assert seen == [1, 2]


def again(platform):
    collect_check_results(platform.instance, platform.paths, platform.warehouse)
    return results(platform)


def in_lake(platform):
    """The rows in the lake, as the warehouse would return them."""
    days = [check_results.read(platform.paths, day) for day in check_results.days(platform.paths)]
    rows = pa.concat_tables(days).to_pandas()
    return rows.sort_values(KEY, ignore_index=True)


def pruned(platform):
    """The results, after Dagster has deleted its own."""
    assert prune_events(platform.instance, datetime.now(UTC) + timedelta(days=1)) > 0
    return results(platform)


def remove_folder(paths):
    shutil.rmtree(paths.check_results_folder())


def remove_object(paths):
    (day,) = check_results.days(paths)
    Path(paths.check_results(day)).unlink()


@pytest.mark.parametrize("remove", [remove_folder, remove_object])
def test_lost_days_are_restored_from_warehouse(collected, remove):
    before, days = pruned(collected), check_results.days(collected.paths)
    remove(collected.paths)
    assert again(collected).equals(before)
    assert in_lake(collected).equals(before.sort_values(KEY, ignore_index=True))
    assert check_results.days(collected.paths) == days
    assert again(collected).equals(before)


def test_damaged_day_can_be_remedied(collected):
    before = pruned(collected)
    (day,) = check_results.days(collected.paths)
    damaged = Path(collected.paths.check_results(day))
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(
        CorruptObjectError, match=r"delete it: the next quality_report writes it again"
    ):
        again(collected)
    assert results(collected).equals(before)
    damaged.unlink()
    assert again(collected).equals(before)
    assert in_lake(collected).equals(before.sort_values(KEY, ignore_index=True))


def test_warehouse_rows_survive_missing_lake_run(collected, monkeypatch):
    """The lake has the lost day again, with another run."""
    before = pruned(collected)
    monkeypatch.setattr(collect, "restore_missing_days", lambda *_: 0)
    remove_folder(collected.paths)
    assert again(collected).equals(before)


def test_deleted_run_keeps_first_result_date(collected):
    before = results(collected)
    for run_id in set(before["RunId"]):
        collected.instance.delete_run(run_id)
    remove_folder(collected.paths)
    # One run was created before midnight, and the lake has it under that day.
    rows = collected.warehouse.read(ASSET_CHECK_RESULT)
    early = rows.filter(pc.equal(rows["RunId"], rows["RunId"][0]))
    first = before["EvaluatedAt"].min().date()
    check_results.add(collected.paths, (first - timedelta(days=1)).isoformat(), early)
    assert again(collected).equals(before)
    assert in_lake(collected).equals(before.sort_values(KEY, ignore_index=True))
