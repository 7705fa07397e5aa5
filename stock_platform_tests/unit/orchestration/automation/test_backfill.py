"""The history of one security is added at the cost of one security."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from stock_platform.lake import raw_runs
from stock_platform.lake.processed import read_state
from stock_platform.quality.measures.freshness import price_freshness
from stock_platform.settings.quality import QualityLimits
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, Platform, error_text

FIRST, LAST = "2012-12-27", "2013-01-03"
ADDED = SAMPLE_COMPANIES[0]
SYMBOL = ADDED.split(",")[1]


def backfill(platform, *symbols):
    return platform.run(
        "backfill_securities", config={"fetch_securities": {"symbols": list(symbols)}}
    )


@pytest.fixture(scope="module")
def platform_before(tmp_path_factory):
    """A platform with the prices of all companies but one, which the ERP adds afterwards."""
    with Platform(tmp_path_factory.mktemp("backfill")) as platform:
        platform.load_dimensions(*SAMPLE_COMPANIES[1:])
        assert platform.run("daily_stock_prices", FIRST, LAST).success
        before = platform.table("fact_stock_price")
        platform.drop_companies(*SAMPLE_COMPANIES)
        platform.run("erp_load")
        yield platform, before


@pytest.fixture(scope="module")
def backfilled(platform_before):
    platform, before = platform_before
    result = backfill(platform, SYMBOL)
    assert result.success
    return platform, before, result


def test_unknown_symbol_has_remedy(platform_before):
    platform, _ = platform_before
    assert "no security is active as NOBODY" in error_text(backfill(platform, "NOBODY"))


def test_every_processed_session_is_added(backfilled):
    platform, before, _ = backfilled
    after = platform.table("fact_stock_price")
    added = after[after["Ticker"] == SYMBOL]
    assert set(added["TradeDate"]) == set(before["TradeDate"])


def test_other_rows_stay_as_they_are(backfilled):
    platform, before, _ = backfilled
    after = platform.table("fact_stock_price")
    others = after[after["Ticker"] != SYMBOL].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, before)


def test_no_asset_of_others_has_an_event(backfilled):
    _, _, result = backfilled
    kinds = {event.event_type_value for event in result.all_events}
    assert not [kind for kind in kinds if kind.startswith("ASSET_")]


def test_batch_reads_only_runs_of_the_security(backfilled):
    platform, _, _ = backfilled
    batch = read_state(platform.paths).batches[-1]
    assert batch.securities == (ADDED.split(",")[0],)
    assert {metrics["lines_read"] for metrics in batch.metrics.values()} == {1}


def test_same_backfill_again_changes_nothing(backfilled):
    platform, _, _ = backfilled
    before = platform.table("fact_stock_price")
    assert backfill(platform, SYMBOL).success
    pd.testing.assert_frame_equal(platform.table("fact_stock_price"), before)


def test_whole_session_processed_later_changes_nothing(backfilled):
    platform, _, _ = backfilled
    before = platform.table("fact_stock_price")
    assert platform.materialize("processed_stock_prices", "fact_stock_price", first=FIRST).success
    pd.testing.assert_frame_equal(platform.table("fact_stock_price"), before)


def test_limited_fetch_makes_no_session_fetched(platform):
    platform.load_sample_dimensions()
    limited = {"raw_stock_prices": {"symbols": [SYMBOL]}}
    platform.run("daily_stock_prices", FIRST, config=limited)
    result = platform.materialize("processed_stock_prices", first=FIRST)
    assert "materialize it without a limit to some symbols first" in error_text(result)
    (run,) = raw_runs.runs_of(platform.paths, [FIRST])
    assert run.securities == [ADDED.split(",")[0]]
    now, day = datetime(2012, 12, 29, tzinfo=UTC), date.fromisoformat(FIRST)
    found = price_freshness(platform.paths, ["XNYS"], (day, None), now, QualityLimits())
    assert found.newest is None


def test_limited_fetch_adds_to_fetched_session(platform):
    platform.load_sample_dimensions()
    assert platform.run("daily_stock_prices", FIRST).success
    before = platform.table("fact_stock_price")
    limited = {"raw_stock_prices": {"symbols": [SYMBOL]}}
    assert platform.run("daily_stock_prices", FIRST, config=limited).success
    pd.testing.assert_frame_equal(platform.table("fact_stock_price"), before)
    assert len(raw_runs.runs_of(platform.paths, [FIRST])) == 2


def test_backfill_needs_processed_sessions(platform):
    platform.load_sample_dimensions()
    assert "no session was processed yet" in error_text(backfill(platform, SYMBOL))
