"""Bad responses and records become outcomes or quarantined records, and checks report them."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from stock_platform.lake.processed import read_state
from stock_platform.settings.quality import QualityLimits
from stock_platform_tests.support.local_yahoo import MONDAY, Served, chart_body, error_body, opening
from stock_platform_tests.support.platform_fixture import check_results, error_text
from stock_platform_tests.support.processed import current, metrics_of
from stock_platform_tests.support.raw_runs import raw_records, store_run

SESSION = MONDAY.isoformat()
TUESDAY = MONDAY + timedelta(days=1)
GOOD = (10.0, 11.0, 9.0, 10.5, 10.5, 1000)
RANGE = {"start_date": MONDAY.replace(month=1, day=2), "end_date": MONDAY.replace(month=12)}


def company(symbol):
    return f"C-{symbol},{symbol},{symbol} Inc.,XNYS,Tech,United States,USD,,Y,2020-01-01"


def chart(symbol, bar=GOOD, **options):
    return Served(body=chart_body(symbol, {opening(MONDAY): bar}, **options))


UNKNOWN = error_body("Not Found", "No data found, symbol may be delisted")
CASES = {
    "GOOD": ("ok", chart("GOOD")),
    "NULLS": ("null_bar", chart("NULLS", (None,) * 6)),
    "HALF": ("null_bar", chart("HALF", (10.0, None, 9.0, 10.0, 10.0, 5))),
    "NEGATIVE": ("ok", chart("NEGATIVE", (10.0, 11.0, -9.0, 10.0, 10.0, 5))),
    "LOWHIGH": ("ok", chart("LOWHIGH", (10.0, 8.0, 9.0, 10.0, 10.0, 5))),
    "NOCURR": ("ok", chart("NOCURR", currency=None)),
    "UNKNOWN": ("unknown_symbol", Served(404, UNKNOWN)),
    "LIMITED": ("throttled", Served(429, b"Too Many Requests")),
    "BROKEN": ("upstream_error", Served(500, b"<html>oops</html>")),
    "EMPTY": ("upstream_error", Served(200, b"")),
}
OUTCOMES = {symbol: outcome for symbol, (outcome, _) in CASES.items()}
ANY_FAILURES = {"quality": QualityLimits(failed_symbols_share=1.0, quarantined_share=1.0)}
SERVED = {symbol: [response] for symbol, (_, response) in CASES.items()}


@pytest.fixture
def list_symbols(platform, yahoo):
    """Serve each symbol's responses, and load its company."""

    def serve(served, **settings):
        platform.use_yahoo(yahoo.url, **RANGE, **settings)
        for symbol, responses in served.items():
            yahoo.serve(symbol, *responses)
        platform.load_dimensions(*map(company, served))

    return serve


@pytest.fixture
def fetched(platform, list_symbols):
    list_symbols(SERVED)
    return platform, platform.materialize("raw_stock_prices", first=SESSION)


@pytest.fixture
def good(platform, list_symbols):
    """A platform with raw prices of one good symbol."""
    list_symbols({"GOOD": SERVED["GOOD"]})
    platform.materialize("raw_stock_prices", first=SESSION)
    return platform


def outcomes(platform):
    return [record["outcome"] for record in raw_records(platform.paths, SESSION)]


def quarantine(platform):
    rows = current(platform.paths, "quarantine", SESSION)
    return {(row["Ticker"], row["Reason"]) for row in rows}


def test_bad_responses_have_outcomes(fetched):
    platform, _ = fetched
    records = raw_records(platform.paths, SESSION)
    assert {record["symbol"]: record["outcome"] for record in records} == OUTCOMES


def test_failing_half_of_symbols_is_error(fetched):
    _, result = fetched
    assert check_results(result, "source_responded") == {SESSION: (False, "ERROR")}
    assert check_results(result, "all_symbols_present") == {SESSION: (True, "ERROR")}


def test_refused_run_is_not_processed(fetched):
    platform, _ = fetched
    result = platform.materialize("processed_stock_prices", first=SESSION)
    message = error_text(result)
    assert f"no usable partition {SESSION}" in message
    assert f"was refused ({SESSION} source_responded: 6 of 10" in message


def test_bad_bars_are_quarantined(platform, list_symbols):
    list_symbols(SERVED, **ANY_FAILURES)
    platform.materialize("raw_stock_prices", first=SESSION)
    platform.materialize("processed_stock_prices", first=SESSION)
    result = platform.materialize("fact_stock_price", first=SESSION)
    assert quarantine(platform) == {
        ("NULLS", "null_bar"),
        ("HALF", "null_bar"),
        ("NEGATIVE", "non_positive_price"),
        ("LOWHIGH", "ohlc_inconsistent"),
        ("NOCURR", "missing_currency"),
    }
    assert platform.table("fact_stock_price")["Ticker"].tolist() == ["GOOD"]
    assert check_results(result, "rows_reconcile") == {SESSION: (True, "ERROR")}


def test_damaged_records_are_quarantined(platform, list_symbols):
    list_symbols({"GOOD": SERVED["GOOD"]}, **ANY_FAILURES)
    platform.materialize("raw_stock_prices", first=SESSION)
    (record,) = raw_records(platform.paths, SESSION)
    again = {**record, "fetched_at": "2099-01-02T00:00:00+00:00"}
    older = {**record, "fetched_at": "2099-01-01T00:00:00+00:00"}
    foreign = {**record, "symbol": "FOREIGN"}
    lines = [again, older, foreign, b"{not json", b'"text"']
    store_run(platform.paths, *lines, sessions=[SESSION], started_at=datetime.now(UTC))
    result = platform.materialize("processed_stock_prices", first=SESSION)
    assert {reason for _, reason in quarantine(platform)} == {
        "duplicate",
        "unknown_ticker",
        "not_json",
    }
    metrics = metrics_of(platform.paths, SESSION)
    assert (metrics["lines_read"], metrics["valid"]) == (6, 1)
    assert sum(metrics["superseded"].values()) == 1
    assert check_results(result, "all_records_accounted_for") == {SESSION: (True, "ERROR")}
    assert check_results(result, "quarantine_share") == {SESSION: (False, "WARN")}


def test_refused_batch_is_never_stored(good):
    store_run(good.paths, *[b"{not json"] * 3, sessions=[SESSION], started_at=datetime.now(UTC))
    result = good.run("daily_stock_prices", SESSION)
    assert not result.success
    assert check_results(result, "quarantine_share") == {SESSION: (False, "ERROR")}
    assert "records that should have a bar are in quarantine" in error_text(result)
    (commit,) = read_state(good.paths).commits
    assert (commit.kind, commit.parts) == ("refused", ())
    assert good.table("fact_stock_price").empty


def test_one_bad_bar_only_warns(platform, list_symbols):
    symbols = [f"OK{n}" for n in range(5)]
    list_symbols({symbol: [chart(symbol)] for symbol in symbols} | {"NULLS": SERVED["NULLS"]})
    result = platform.run("daily_stock_prices", SESSION)
    assert result.success
    assert check_results(result, "source_responded") == {SESSION: (False, "WARN")}
    assert check_results(result, "quarantine_share") == {SESSION: (False, "WARN")}
    assert platform.table("fact_stock_price")["Ticker"].tolist() == symbols


def test_unknown_symbol_blocks_nobody(platform, list_symbols):
    list_symbols({"GOOD": SERVED["GOOD"], "UNKNOWN": SERVED["UNKNOWN"]})
    result = platform.run("daily_stock_prices", SESSION)
    assert result.success
    assert check_results(result, "source_responded") == {SESSION: (False, "WARN")}
    assert platform.table("fact_stock_price")["Ticker"].tolist() == ["GOOD"]


def test_unusable_event_or_number_costs_only_itself(platform, list_symbols):
    tuesday = opening(TUESDAY)
    rows = {opening(MONDAY): GOOD, tuesday: GOOD}
    huge = {opening(MONDAY): GOOD, tuesday: (*GOOD[:5], 10**16)}
    event = {"date": tuesday, "numerator": 1, "denominator": 0}
    served = {
        "EVENT": [Served(body=chart_body("EVENT", rows, events={"splits": {"a": event}}))],
        "HUGE": [Served(body=chart_body("HUGE", huge))],
        "TWIN": [Served(body=chart_body("TWIN", {**rows, tuesday + 60: (None,) * 6}))],
    }
    list_symbols(served, **ANY_FAILURES)
    assert platform.run("daily_stock_prices", SESSION, TUESDAY.isoformat()).success
    prices = platform.table("fact_stock_price")
    assert prices.groupby("Ticker").size().to_dict() == {"EVENT": 2, "HUGE": 1, "TWIN": 2}
    rows = current(platform.paths, "quarantine", TUESDAY.isoformat())
    assert {(row["Ticker"], row["Reason"]) for row in rows} == {
        ("EVENT", "bad_corporate_action"),
        ("HUGE", "volume_too_large"),
    }


@pytest.mark.parametrize("failure", ["LIMITED", "UNKNOWN"])
def test_failed_fetch_keeps_earlier_price(platform, list_symbols, yahoo, failure):
    list_symbols({"GOOD": SERVED["GOOD"]}, **ANY_FAILURES)
    platform.run("daily_stock_prices", SESSION)
    before = platform.table("fact_stock_price")
    yahoo.serve("GOOD", *SERVED[failure])
    assert platform.run("daily_stock_prices", SESSION).success
    assert outcomes(platform) == ["ok", OUTCOMES[failure]]
    pd.testing.assert_frame_equal(before, platform.table("fact_stock_price"))
    metrics = metrics_of(platform.paths, SESSION)
    assert metrics["superseded"]["kept_earlier"] == 1


def test_harmless_outage_is_reported(good, yahoo):
    for failure, severity in (("BROKEN", "ERROR"), ("UNKNOWN", "WARN")):
        yahoo.serve("GOOD", *SERVED[failure])
        result = good.materialize("raw_stock_prices", first=SESSION)
        assert check_results(result, "source_responded") == {SESSION: (False, severity)}
    assert good.materialize("processed_stock_prices", first=SESSION).success


def test_session_without_records_fails_check(platform, list_symbols):
    list_symbols({"GOOD": SERVED["GOOD"]})
    store_run(platform.paths, sessions=[SESSION])
    result = platform.materialize("processed_stock_prices", first=SESSION)
    assert check_results(result, "all_records_accounted_for") == {SESSION: (False, "ERROR")}


def test_dividend_keeps_its_currency(platform, list_symbols):
    dividend = {"amount": 0.25, "date": opening(MONDAY), "currency": "EUR"}
    list_symbols({"GOOD": [chart("GOOD", events={"dividends": {"x": dividend}})]})
    assert platform.run("daily_stock_prices", SESSION).success
    (action,) = platform.table("fact_corporate_action").to_dict("records")
    assert (action["Value"], action["Currency"]) == (0.25, "EUR")


def test_throttling_stops_further_requests(platform, yahoo, list_symbols):
    list_symbols({f"S{n}": SERVED["LIMITED"] for n in range(6)})
    platform.materialize("raw_stock_prices", first=SESSION)
    assert outcomes(platform) == ["throttled"] * 3 + ["upstream_error"] * 3
    assert "not requested" in raw_records(platform.paths, SESSION)[-1]["error"]
    assert not yahoo.data_requests("S5")
