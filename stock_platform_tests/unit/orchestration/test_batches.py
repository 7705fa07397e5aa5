"""Batches of the Spark job: sessions that a run left behind, repetition, and refusal."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest

from stock_platform.lake.processed import read_state
from stock_platform.spark.sail import SailRunner
from stock_platform_tests.support.local_yahoo import MONDAY, Served, chart_body, opening
from stock_platform_tests.support.platform_fixture import Platform, check_results, error_text
from stock_platform_tests.support.processed import current
from stock_platform_tests.support.raw_runs import store_run

FIRST, SECOND = "2012-12-27", "2012-12-28"
FACTS = ("fact_stock_price", "fact_corporate_action")


@pytest.fixture
def ready(platform):
    platform.load_sample_dimensions()
    return platform


def sessions_of(platform):
    return sorted(set(platform.table("fact_stock_price")["TradeDate"].astype(str)))


def test_session_of_a_run_that_died_is_caught_up(ready):
    assert ready.materialize("raw_stock_prices", first=FIRST).success
    result = ready.run("daily_stock_prices", SECOND)
    assert result.success
    assert sessions_of(ready) == [FIRST, SECOND]
    observed = {
        (event.asset_observation_data.asset_observation.asset_key.to_user_string(), event.partition)
        for event in result.get_asset_observation_events()
    }
    assert observed == {(fact, FIRST) for fact in FACTS}
    assert set(check_results(result, "all_records_accounted_for")) == {FIRST, SECOND}


def test_batch_that_was_not_loaded_is_loaded_next(ready):
    ready.materialize("raw_stock_prices", "processed_stock_prices", first=FIRST)
    assert ready.table("fact_stock_price").empty
    assert ready.run("daily_stock_prices", SECOND).success
    assert sessions_of(ready) == [FIRST, SECOND]


def test_both_facts_are_loaded_whatever_is_selected(ready):
    ready.materialize("raw_stock_prices", "processed_stock_prices", first="2012-11-07")
    result = ready.materialize("fact_corporate_action", first="2012-11-07")
    assert result.success
    assert not ready.table("fact_stock_price").empty
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key.to_user_string() == "fact_corporate_action"


def test_repetition_without_a_new_run_processes_nothing(ready):
    ready.run("daily_stock_prices", FIRST)
    before = read_state(ready.paths).commits
    assert ready.materialize("processed_stock_prices", *FACTS, first=FIRST).success
    assert read_state(ready.paths).commits == before


def test_older_copy_of_the_warehouse_is_healed(ready):
    ready.run("daily_stock_prices", FIRST)
    file = ready.settings.warehouse_file
    copy = file.read_bytes()
    ready.run("daily_stock_prices", SECOND)
    expected = ready.table("fact_stock_price")
    file.write_bytes(copy)
    ready.warehouse.create_tables()
    assert sessions_of(ready) == [FIRST]
    assert ready.materialize(*FACTS, first=FIRST).success
    pd.testing.assert_frame_equal(ready.table("fact_stock_price"), expected)


COMPANY = "C-A,A,A Inc.,XNYS,Tech,United States,USD,,Y,2020-01-01"
RANGE = {"start_date": MONDAY.replace(month=1, day=2), "end_date": MONDAY.replace(month=12)}
DAY = MONDAY.isoformat()


def serve(yahoo, close, **options):
    bar = (close, close, close, close, close, 1000)
    yahoo.serve("A", Served(body=chart_body("A", {opening(MONDAY): bar}, **options)))


@pytest.fixture
def one_company(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    platform.load_dimensions(COMPANY)
    return platform


def test_restated_value_replaces_only_its_row(one_company, yahoo):
    for close in (10.0, 10.0, 11.0):
        serve(yahoo, close)
        assert one_company.run("daily_stock_prices", DAY).success
    state = read_state(one_company.paths)
    changes = [batch.metrics[DAY]["changes"]["stock_prices"] for batch in state.batches]
    assert [sorted(kind for kind, n in found.items() if n) for found in changes] == [
        ["new"],
        ["unchanged"],
        ["restated"],
    ]
    assert one_company.table("fact_stock_price")["Close"].tolist() == [11.0]


def test_price_that_became_wrong_is_withdrawn(one_company, yahoo):
    serve(yahoo, 10.0)
    assert one_company.run("daily_stock_prices", DAY).success
    serve(yahoo, -10.0)
    assert one_company.run("daily_stock_prices", DAY).success
    assert one_company.table("fact_stock_price").empty
    (rejected,) = current(one_company.paths, "quarantine", DAY)
    assert rejected["Reason"] == "non_positive_price"
    serve(yahoo, 12.0)
    assert one_company.run("daily_stock_prices", DAY).success
    assert one_company.table("fact_stock_price")["Close"].tolist() == [12.0]
    assert current(one_company.paths, "quarantine", DAY) == []


def test_newer_answer_of_a_concurrent_run_stays(one_company, yahoo, tmp_path, monkeypatch):
    run = SailRunner.run

    def run_after_another(*arguments):
        monkeypatch.undo()
        serve(yahoo, 11.0)
        with Platform(tmp_path) as other:
            other.use_yahoo(yahoo.url, **RANGE)
            assert other.run("daily_stock_prices", DAY).success
        return run(*arguments)

    serve(yahoo, 10.0)
    monkeypatch.setattr(SailRunner, "run", run_after_another)
    assert one_company.run("daily_stock_prices", DAY).success
    assert one_company.table("fact_stock_price")["Close"].tolist() == [11.0]


def test_good_session_beside_a_refused_one_is_caught_up(one_company, yahoo):
    days = [MONDAY + timedelta(days=n) for n in range(3)]
    rows = {opening(day): (10.0, 10.0, 10.0, 10.0, 10.0, 1000) for day in days}
    yahoo.serve("A", Served(body=chart_body("A", rows)))
    first, second, third = map(str, days)
    assert one_company.materialize("raw_stock_prices", first=first).success
    now = datetime.now(UTC)
    store_run(one_company.paths, *[b"{not json"] * 3, sessions=[second], started_at=now)
    assert one_company.run("daily_stock_prices", third).success
    assert sessions_of(one_company) == [first, third]
    assert [commit.kind for commit in read_state(one_company.paths).commits] == [
        "refused",
        "batch",
        "batch",
    ]


def test_limited_run_of_an_unknown_session_waits(ready):
    limited = {"raw_stock_prices": {"symbols": ["AAPL"]}}
    assert not ready.run("daily_stock_prices", FIRST, config=limited).success
    assert ready.run("daily_stock_prices", SECOND).success
    assert sessions_of(ready) == [SECOND]
    assert ready.run("daily_stock_prices", FIRST).success
    assert len(ready.table("fact_stock_price")) == 10


def test_limited_batch_lists_the_other_runs_it_has_read(ready):
    assert ready.run("daily_stock_prices", FIRST).success
    assert ready.run(
        "backfill_securities", config={"fetch_securities": {"symbols": ["AAPL"]}}
    ).success
    commit = read_state(ready.paths).batches[-1]
    assert (len(commit.runs), len(commit.other_runs)) == (1, 1)


def test_checks_can_be_executed_alone(ready):
    ready.run("daily_stock_prices", FIRST)
    checks = ready.defs.resolve_assets_def("processed_stock_prices").check_keys
    result = ready.run_selection(dg.AssetSelection.checks(*checks), FIRST)
    assert result.success
    assert check_results(result, "no_duplicates") == {FIRST: (True, "ERROR")}


def test_never_processed_session_has_remedy(ready):
    result = ready.materialize("fact_stock_price", first=FIRST)
    assert f"processed_stock_prices has no partition {FIRST}" in error_text(result)
