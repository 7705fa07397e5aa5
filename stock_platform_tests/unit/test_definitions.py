"""The graph on real prices: single sessions, ranges, repetitions, and what the checks say."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from stock_platform.contracts import FACT_STOCK_PRICE
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, verdicts

pytestmark = pytest.mark.usefixtures("platform")

FIRST, LAST = "2012-08-31", "2012-09-07"  # over Labor Day, 3 September
SESSIONS = ["2012-08-31", "2012-09-04", "2012-09-05", "2012-09-06", "2012-09-07"]


@pytest.fixture
def loaded(platform):
    platform.load_sample_dimensions()
    return platform


def test_the_graph_loads_as_a_code_location(platform):
    dg.Definitions.validate_loadable(platform.defs)


def test_the_report_is_a_page_in_the_lake_that_tells_the_state(loaded):
    loaded.run("daily_stock_prices", FIRST, LAST)
    result = loaded.run("quality_report")
    assert result.success
    (made,) = result.asset_materializations_for_node("write_quality_report")
    page = Path(made.metadata["page"].value).read_text()
    assert "1 warning open" in page
    assert made.metadata["state"].value == "1 warning open"
    (failure,) = made.metadata["open_failures"].value.records
    assert failure.data == {
        "severity": "WARN",
        "asset": "raw_stock_prices",
        "check": "fresh",
        "extent": "the whole asset",
    }
    assert "Prices up to" in page
    assert "7 September 2012" in page


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
    failed = {it.check_name for it in result.get_asset_check_evaluations() if not it.passed}
    assert failed == {"fresh"}  # the sample goes on to 2013


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
    preview = fact.metadata["preview"].value
    assert [it.data["Ticker"] for it in preview.records] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert tuple(it.name for it in preview.schema.columns) == FACT_STOCK_PRICE.column_names
    (raw,) = result.asset_materializations_for_node("raw_stock_prices")
    assert raw.metadata["outcome_ok"].value == 5
    assert raw.metadata["change_new"].value == 5
    (view,) = result.asset_materializations_for_node("stock_price_adjusted")
    assert len(view.metadata["preview"].value.records) == 5


@pytest.mark.parametrize(
    ("first", "last"),
    [("2012-09-03", None), ("2012-09-02", "2012-09-05"), ("2012-09-07", "2012-09-04")],
)
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
    (failure,) = result.get_step_failure_events()
    assert "landing/erp/exchanges" in failure.step_failure_data.error.cause.message


def test_a_session_that_was_not_processed_again_does_not_reconcile(platform):
    platform.drop_companies(*SAMPLE_COMPANIES[:3])
    platform.run("erp_load")
    platform.run("daily_stock_prices", FIRST)
    platform.drop_companies(*SAMPLE_COMPANIES)
    platform.materialize_assets("raw_erp_companies")
    platform.materialize("raw_stock_prices", first=FIRST)
    result = platform.materialize("fact_stock_price", first=FIRST)
    assert verdicts(result, "rows_reconcile") == {FIRST: (False, "ERROR")}
    assert verdicts(result, "foreign_keys_resolve") == {FIRST: (False, "ERROR")}  # no dim_date


def test_a_company_that_left_or_broke_keeps_its_history(loaded):
    loaded.run("daily_stock_prices", FIRST)
    before = loaded.table("fact_stock_price")
    inactive = SAMPLE_COMPANIES[2].replace(",Y,", ",N,")
    broken = SAMPLE_COMPANIES[0].replace("2000-03-01", "first of March")
    loaded.drop_companies(broken, inactive, *SAMPLE_COMPANIES[3:])  # and FB vanished
    erp = loaded.run("erp_load")
    assert verdicts(erp, "every_row_accepted", "raw_erp_companies")[None] == (False, "WARN")
    again = loaded.run("daily_stock_prices", FIRST)
    assert again.success
    pd.testing.assert_frame_equal(before, loaded.table("fact_stock_price"))
    assert set(before["Ticker"]) <= set(loaded.table("dim_company")["Symbol"])


def test_a_session_alone_and_in_a_range_has_the_same_rows(loaded):
    loaded.run("daily_stock_prices", FIRST, LAST)
    before = loaded.table("fact_stock_price")
    loaded.run("daily_stock_prices", "2012-09-05")
    pd.testing.assert_frame_equal(before, loaded.table("fact_stock_price"))


def test_checks_alone_judge_a_named_session_and_refuse_none(loaded):
    loaded.run("daily_stock_prices", FIRST)
    selection = dg.AssetSelection.checks_for_assets("fact_stock_price")
    assert verdicts(loaded.run_selection(selection, FIRST), "rows_reconcile") == {
        FIRST: (True, "ERROR")
    }
    refused = loaded.run_selection(selection)
    assert "execute them for a partition" in str(
        refused.get_step_failure_events()[0].event_specific_data
    )


def test_somebodys_own_asset_gets_frames_as_it_annotates_them(loaded):
    loaded.run("daily_stock_prices", FIRST, LAST)

    @dg.asset(partitions_def=loaded.days)
    def closes(fact_stock_price: pd.DataFrame) -> None:
        seen["pandas"] = fact_stock_price

    @dg.asset
    def everything(fact_stock_price: pa.Table, stock_price_adjusted: pd.DataFrame) -> None:
        seen["arrow"], seen["view"] = fact_stock_price, stock_price_adjusted

    seen = {}
    assert loaded.run_own(closes, FIRST, "2012-09-05").success
    assert loaded.run_own(everything).success
    assert sorted(seen["pandas"]["TradeDate"].astype(str).unique()) == SESSIONS[:3]
    assert isinstance(seen["arrow"], pa.Table)
    assert seen["arrow"].num_rows == len(seen["view"]) == 25
