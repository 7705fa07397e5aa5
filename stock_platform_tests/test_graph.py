"""The graph on real prices: single sessions, ranges, repetitions, and what the checks say."""

import pandas as pd
import pytest

from stock_platform_tests.platform import SAMPLE_COMPANIES, verdicts

pytestmark = pytest.mark.usefixtures("platform")

FIRST, LAST = "2012-08-31", "2012-09-07"  # over Labor Day, 3 September
SESSIONS = ["2012-08-31", "2012-09-04", "2012-09-05", "2012-09-06", "2012-09-07"]


@pytest.fixture
def loaded(platform):
    platform.load_sample_dimensions()
    return platform


def test_a_range_over_a_holiday_is_one_run_with_a_partition_for_each_session(loaded):
    result = loaded.run("daily_stock_prices", FIRST, LAST)
    assert result.success
    facts = loaded.table("fact_stock_price")
    assert sorted(facts["TradeDate"].astype(str).unique()) == SESSIONS
    assert facts.groupby("TradeDate").size().tolist() == [5] * 5
    for asset in ("raw_stock_prices", "processed_stock_prices", "fact_stock_price"):
        materialized = [event.partition for event in result.asset_materializations_for_node(asset)]
        assert sorted(materialized) == SESSIONS


def test_every_check_has_a_verdict_for_each_session_of_a_range(loaded):
    result = loaded.run("daily_stock_prices", FIRST, LAST)
    for check in ("complete_for_session", "every_line_accounted_for"):
        assert verdicts(result, check) == {
            **dict.fromkeys(SESSIONS, (True, "ERROR")),
            None: (True, "ERROR"),
        }
    assert all(it.passed for it in result.get_asset_check_evaluations())


def test_the_same_session_twice_changes_no_row(loaded):
    loaded.run("daily_stock_prices", "2012-08-09")
    before = loaded.table("fact_stock_price"), loaded.table("fact_corporate_action")
    assert before[1]["Ticker"].tolist() == ["AAPL"]  # its dividend of 2.65
    again = loaded.run("daily_stock_prices", "2012-08-09")
    assert again.success
    pd.testing.assert_frame_equal(before[0], loaded.table("fact_stock_price"))
    pd.testing.assert_frame_equal(before[1], loaded.table("fact_corporate_action"))


def test_one_session_says_what_it_did_in_its_metadata(loaded):
    result = loaded.run("daily_stock_prices", "2012-08-09")
    (fact,) = result.asset_materializations_for_node("fact_stock_price")
    assert fact.metadata["dagster/row_count"].value == 5
    assert "AAPL" in fact.metadata["preview"].value
    (raw,) = result.asset_materializations_for_node("raw_stock_prices")
    assert raw.metadata["outcome_ok"].value == 5
    assert raw.metadata["change_new"].value == 5
    (view,) = result.asset_materializations_for_node("stock_price_adjusted")
    assert view.metadata["total_return"].value.startswith("![total return](data:image/png;base64,")


@pytest.mark.parametrize(("first", "last"), [("2012-09-03", None), ("2012-09-02", "2012-09-05")])
def test_a_day_that_is_no_session_is_refused_by_name(loaded, first, last):
    result = loaded.materialize("raw_stock_prices", first=first, last=last)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert first in str(failure.event_specific_data)


def test_a_stage_without_the_one_before_it_says_what_to_do(loaded):
    result = loaded.materialize("processed_stock_prices", first=FIRST)
    assert not result.success
    assert "raw_stock_prices has no partition 2012-08-31: materialize it first" in str(
        result.get_step_failure_events()[0].event_specific_data
    )


def test_without_an_erp_file_the_graph_says_where_to_drop_one(platform):
    result = platform.run("erp_load")
    assert not result.success
    assert "landing/erp/companies" in str(
        [event.event_specific_data for event in result.get_step_failure_events()]
    )


def test_a_session_that_was_not_processed_again_does_not_reconcile(loaded):
    loaded.run("daily_stock_prices", FIRST)
    loaded.drop_companies(*SAMPLE_COMPANIES[:3])
    loaded.run("erp_load")
    loaded.materialize("raw_stock_prices", first=FIRST)
    result = loaded.materialize("fact_stock_price", first=FIRST)
    assert verdicts(result, "rows_reconcile") == {FIRST: (False, "ERROR")}
    assert verdicts(result, "foreign_keys_resolve") == {FIRST: (False, "ERROR")}
