"""The graph on real prices: single sessions, ranges, repetitions and check results."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from stock_platform.contracts import FACT_STOCK_PRICE
from stock_platform_tests.support.platform_fixture import (
    SAMPLE_COMPANIES,
    check_results,
    error_text,
)

pytestmark = pytest.mark.usefixtures("platform")

FIRST, LAST = "2012-08-31", "2012-09-07"  # over Labor Day, 3 September
SESSIONS = ["2012-08-31", "2012-09-04", "2012-09-05", "2012-09-06", "2012-09-07"]


@pytest.fixture
def loaded(platform):
    platform.load_sample_dimensions()
    return platform


def test_definitions_load(platform):
    dg.Definitions.validate_loadable(platform.defs)


def test_report_shows_current_state(loaded):
    loaded.run("daily_stock_prices", FIRST, LAST)
    result = loaded.run("quality_report")
    assert result.success
    (report,) = result.asset_materializations_for_node("write_quality_report")
    page = Path(report.metadata["page"].value).read_text()
    assert "1 warning open" in page
    assert report.metadata["state"].value == "1 warning open"
    (failure,) = report.metadata["open_failures"].value.records
    assert failure.data == {
        "severity": "WARN",
        "asset": "raw_stock_prices",
        "check": "fresh",
        "extent": "the whole asset",
    }
    assert "Prices up to" in page
    assert "7 September 2012" in page


def test_range_run_materializes_each_session(loaded):
    result = loaded.run("daily_stock_prices", FIRST, LAST)
    assert result.success
    facts = loaded.table("fact_stock_price")
    assert sorted(facts["TradeDate"].astype(str).unique()) == SESSIONS
    assert facts.groupby("TradeDate").size().tolist() == [5] * 5
    for asset in ("raw_stock_prices", "processed_stock_prices", "fact_stock_price"):
        assert sorted(event.partition for event in materializations(result, asset)) == SESSIONS


def materializations(result, asset):
    """The materializations of an asset."""
    return [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() == asset
    ]


def test_range_run_has_result_per_session(loaded):
    result = loaded.run("daily_stock_prices", FIRST, LAST)
    for check in ("all_symbols_present", "all_records_accounted_for"):
        assert check_results(result, check) == {
            **dict.fromkeys(SESSIONS, (True, "ERROR")),
            None: (True, "ERROR"),
        }
    failed = {
        check.check_name for check in result.get_asset_check_evaluations() if not check.passed
    }
    assert failed == {"fresh"}  # the sample ends in 2013


def test_repeated_session_changes_nothing(loaded):
    loaded.run("daily_stock_prices", "2012-08-09")
    before = {name: loaded.table(name) for name in ("fact_stock_price", "fact_corporate_action")}
    assert before["fact_corporate_action"]["Ticker"].tolist() == ["AAPL"]  # a dividend of 2.65
    assert loaded.run("daily_stock_prices", "2012-08-09").success
    for name, rows in before.items():
        pd.testing.assert_frame_equal(rows, loaded.table(name))


def test_metadata_describes_session(loaded):
    result = loaded.run("daily_stock_prices", "2012-08-09")
    (fact,) = materializations(result, "fact_stock_price")
    assert fact.metadata["dagster/row_count"].value == 5
    preview = fact.metadata["preview"].value
    assert [row.data["Ticker"] for row in preview.records] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert tuple(column.name for column in preview.schema.columns) == FACT_STOCK_PRICE.column_names
    (raw,) = result.asset_materializations_for_node("raw_stock_prices")
    assert raw.metadata["outcome_ok"].value == 5
    assert Path(raw.metadata["dagster/uri"].value, "manifest.json").exists()
    (view,) = result.asset_materializations_for_node("stock_price_adjusted")
    assert len(view.metadata["preview"].value.records) == 5


@pytest.mark.parametrize(
    ("first", "last"),
    [("2012-09-03", None), ("2012-09-02", "2012-09-05"), ("2012-09-07", "2012-09-04")],
)
def test_non_trading_days_are_rejected(loaded, first, last):
    assert first in error_text(loaded.materialize("raw_stock_prices", first=first, last=last))


def test_missing_upstream_has_remedy(loaded):
    error = error_text(loaded.materialize("processed_stock_prices", first=FIRST))
    assert "raw_stock_prices has no usable partition 2012-08-31: materialize it first" in error


def test_missing_erp_file_names_landing_folder(platform):
    assert "landing/erp/exchanges" in error_text(platform.run("erp_load"))


def test_unprocessed_session_does_not_reconcile(platform):
    platform.drop_companies(*SAMPLE_COMPANIES[:3])
    platform.run("erp_load")
    platform.run("daily_stock_prices", FIRST)
    platform.drop_companies(*SAMPLE_COMPANIES)
    platform.materialize_assets("raw_erp_companies")
    platform.materialize("raw_stock_prices", first=FIRST)
    result = platform.materialize("fact_stock_price", first=FIRST)
    assert check_results(result, "rows_reconcile") == {FIRST: (False, "ERROR")}
    assert check_results(result, "foreign_keys_resolve") == {FIRST: (False, "ERROR")}  # no dim_date


def test_removed_companies_keep_history(loaded):
    loaded.run("daily_stock_prices", FIRST)
    before = loaded.table("fact_stock_price")
    inactive = SAMPLE_COMPANIES[2].replace(",Y,", ",N,")
    broken = SAMPLE_COMPANIES[0].replace("2000-03-01", "first of March")
    loaded.drop_companies(broken, inactive, *SAMPLE_COMPANIES[3:])  # without FB
    erp = loaded.run("erp_load")
    assert check_results(erp, "all_rows_accepted", "raw_erp_companies")[None] == (False, "WARN")
    again = loaded.run("daily_stock_prices", FIRST)
    assert again.success
    pd.testing.assert_frame_equal(before, loaded.table("fact_stock_price"))
    assert set(before["Ticker"]) <= set(loaded.table("dim_company")["Symbol"])


def test_single_session_equals_range(loaded):
    loaded.run("daily_stock_prices", FIRST, LAST)
    before = loaded.table("fact_stock_price")
    loaded.run("daily_stock_prices", "2012-09-05")
    pd.testing.assert_frame_equal(before, loaded.table("fact_stock_price"))


def test_checks_alone_need_a_session(loaded):
    loaded.run("daily_stock_prices", FIRST)
    selection = dg.AssetSelection.checks_for_assets("fact_stock_price")
    assert check_results(loaded.run_selection(selection, FIRST), "rows_reconcile") == {
        FIRST: (True, "ERROR")
    }
    assert "execute them for a partition" in error_text(loaded.run_selection(selection))


def test_custom_asset_receives_annotated_frames(loaded):
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
