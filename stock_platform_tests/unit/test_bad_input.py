"""Bad responses and records become outcomes or quarantined records, and checks report them."""

import gzip
import json

import pyarrow.parquet as pq
import pytest

from stock_platform.lake import files
from stock_platform.lake.publish import read_published
from stock_platform_tests.support.local_yahoo import MONDAY, Served, chart_body, error_body, opening
from stock_platform_tests.support.platform_fixture import check_results

SESSION = MONDAY.isoformat()
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
SERVED = {symbol: [response] for symbol, (_, response) in CASES.items()}


@pytest.fixture
def list_symbols(platform, yahoo):
    """Serve each symbol's responses, and load its company."""

    def serve(served):
        platform.use_yahoo(yahoo.url, **RANGE)
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


def raw_records(platform):
    content = gzip.decompress(files.read(platform.paths.raw_prices(SESSION)))
    return [json.loads(line) for line in content.splitlines()]


def outcomes(platform):
    return [record["outcome"] for record in raw_records(platform)]


def quarantine(platform):
    uri = read_published(platform.paths, SESSION).objects["quarantine"]
    rows = pq.read_table(uri).to_pylist()
    return {(row["Ticker"], row["Reason"]) for row in rows}


def test_bad_responses_have_outcomes(fetched):
    platform, _ = fetched
    assert {record["symbol"]: record["outcome"] for record in raw_records(platform)} == OUTCOMES


def test_failing_half_of_symbols_is_error(fetched):
    _, result = fetched
    assert check_results(result, "source_responded") == {SESSION: (False, "ERROR")}
    assert check_results(result, "all_symbols_present") == {SESSION: (True, "ERROR")}


def test_bad_bars_are_quarantined(fetched):
    platform, _ = fetched
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


def test_damaged_records_are_quarantined(fetched):
    platform, _ = fetched
    uri = platform.paths.raw_prices(SESSION)
    (good,) = [record for record in raw_records(platform) if record["symbol"] == "GOOD"]
    older = {**good, "fetched_at": "2020-01-01T00:00:00+00:00"}
    foreign = {**good, "symbol": "FOREIGN"}
    lines = [json.dumps(record).encode() for record in (good, older, foreign)]
    files.write(uri, gzip.compress(b"\n".join([*lines, b"{not json", b'"text"'])))
    result = platform.materialize("processed_stock_prices", first=SESSION)
    assert {reason for _, reason in quarantine(platform)} == {
        "duplicate",
        "unknown_ticker",
        "not_json",
    }
    metrics = read_published(platform.paths, SESSION).manifest["metrics"]
    assert (metrics["lines_read"], metrics["valid"]) == (5, 1)
    assert check_results(result, "all_records_accounted_for") == {SESSION: (True, "ERROR")}
    assert check_results(result, "quarantine_share") == {SESSION: (False, "ERROR")}


def test_one_bad_bar_only_warns(platform, list_symbols):
    symbols = [f"OK{n}" for n in range(5)]
    list_symbols({symbol: [chart(symbol)] for symbol in symbols} | {"NULLS": SERVED["NULLS"]})
    result = platform.run("daily_stock_prices", SESSION)
    assert result.success
    assert check_results(result, "source_responded") == {SESSION: (False, "WARN")}
    assert check_results(result, "quarantine_share") == {SESSION: (False, "WARN")}
    assert platform.table("fact_stock_price")["Ticker"].tolist() == symbols


def test_throttling_keeps_earlier_record(good, yahoo):
    yahoo.serve("GOOD", *SERVED["LIMITED"])
    result = good.materialize("raw_stock_prices", first=SESSION)
    assert outcomes(good) == ["ok"]
    (materialization,) = result.asset_materializations_for_node("raw_stock_prices")
    assert materialization.metadata["change_kept_earlier"].value == 1


def test_harmless_outage_is_reported(good, yahoo):
    for failure in ("BROKEN", "UNKNOWN"):
        yahoo.serve("GOOD", *SERVED[failure])
        result = good.materialize("raw_stock_prices", first=SESSION)
        assert outcomes(good) == ["ok"]
        assert check_results(result, "source_responded") == {SESSION: (False, "ERROR")}


def test_empty_raw_session_fails_check(fetched):
    platform, _ = fetched
    files.write(platform.paths.raw_prices(SESSION), gzip.compress(b""))
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
    assert "not requested" in raw_records(platform)[-1]["error"]
    assert not yahoo.data_requests("S5")
