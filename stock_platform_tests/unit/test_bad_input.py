"""Everything wrong that can come in ends as an outcome or a quarantined record, and is seen."""

import gzip
import json

import pyarrow.parquet as pq
import pytest

from stock_platform.lake import files
from stock_platform.lake.publish import read_published
from stock_platform_tests.support.local_yahoo import (
    MONDAY,
    Served,
    chart_body,
    error_body,
    opening,
)
from stock_platform_tests.support.platform_fixture import verdicts

SESSION = MONDAY.isoformat()
GOOD = (10.0, 11.0, 9.0, 10.5, 10.5, 1000)
RANGE = {"start_date": MONDAY.replace(month=1, day=2), "end_date": MONDAY.replace(month=12)}


def company(symbol):
    return f"C-{symbol},{symbol},{symbol} Inc.,XNYS,Tech,United States,USD,,Y,2020-01-01"


def chart(symbol, bar=GOOD, **options):
    return Served(body=chart_body(symbol, {opening(MONDAY): bar}, **options))


SERVED = {
    "GOOD": [chart("GOOD")],
    "NULLS": [chart("NULLS", (None,) * 6)],
    "HALF": [chart("HALF", (10.0, None, 9.0, 10.0, 10.0, 5))],
    "NEGATIVE": [chart("NEGATIVE", (10.0, 11.0, -9.0, 10.0, 10.0, 5))],
    "LOWHIGH": [chart("LOWHIGH", (10.0, 8.0, 9.0, 10.0, 10.0, 5))],
    "NOCURR": [chart("NOCURR", currency=None)],
    "UNKNOWN": [Served(404, error_body("Not Found", "No data found, symbol may be delisted"))],
    "LIMITED": [Served(429, b"Too Many Requests")],
    "BROKEN": [Served(500, b"<html>oops</html>")],
    "EMPTY": [Served(200, b"")],
}
OUTCOMES = {
    "GOOD": "ok",
    "NULLS": "null_bar",
    "HALF": "null_bar",
    "NEGATIVE": "ok",
    "LOWHIGH": "ok",
    "NOCURR": "ok",
    "UNKNOWN": "unknown_symbol",
    "LIMITED": "throttled",
    "BROKEN": "upstream_error",
    "EMPTY": "upstream_error",
}


@pytest.fixture
def fetched(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    for symbol, answers in SERVED.items():
        yahoo.serve(symbol, *answers)
    platform.drop_companies(*map(company, SERVED))
    platform.run("erp_load")
    platform.run("reference_data")
    return platform, platform.materialize("raw_stock_prices", first=SESSION)


def raw_lines(platform):
    content = gzip.decompress(files.read(platform.paths.raw_prices(SESSION)))
    return [json.loads(line) for line in content.splitlines()]


def quarantine(platform):
    uri = read_published(platform.paths, SESSION).objects["quarantine"]
    rows = pq.read_table(uri).to_pylist()
    return {(row["Ticker"], row["Reason"]) for row in rows}


def test_each_bad_answer_has_its_outcome(fetched):
    platform, _ = fetched
    assert {it["symbol"]: it["outcome"] for it in raw_lines(platform)} == OUTCOMES


def test_half_of_the_symbols_failing_is_taken_for_an_outage_and_stops_downstream(fetched):
    _, result = fetched
    assert verdicts(result, "no_upstream_errors") == {SESSION: (False, "ERROR")}
    assert verdicts(result, "complete_for_session") == {SESSION: (True, "ERROR")}


def test_bad_bars_are_quarantined_and_good_ones_go_on(fetched):
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
    assert verdicts(result, "rows_reconcile") == {SESSION: (True, "ERROR")}


def test_damaged_lines_are_quarantined_counted_and_seen(fetched):
    platform, _ = fetched
    uri = platform.paths.raw_prices(SESSION)
    (good,) = [it for it in raw_lines(platform) if it["symbol"] == "GOOD"]
    older = {**good, "fetched_at": "2020-01-01T00:00:00+00:00"}
    stranger = {**good, "symbol": "STRANGER"}
    lines = [json.dumps(it).encode() for it in (good, older, stranger)]
    files.write(uri, gzip.compress(b"\n".join([*lines, b"{not json", b'"text"'])))
    result = platform.materialize("processed_stock_prices", first=SESSION)
    assert {reason for _, reason in quarantine(platform)} == {
        "duplicate",
        "unknown_ticker",
        "not_json",
    }
    metrics = read_published(platform.paths, SESSION).manifest["metrics"]
    assert (metrics["lines_read"], metrics["valid"]) == (5, 1)
    assert verdicts(result, "every_line_accounted_for") == {SESSION: (True, "ERROR")}
    assert verdicts(result, "quarantine_share") == {SESSION: (False, "ERROR")}


def test_one_bad_bar_warns_and_stops_nothing(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    symbols = [f"OK{n}" for n in range(5)]
    for symbol in symbols:
        yahoo.serve(symbol, chart(symbol))
    yahoo.serve("NULLS", *SERVED["NULLS"])
    platform.drop_companies(*map(company, [*symbols, "NULLS"]))
    platform.run("erp_load")
    platform.run("reference_data")
    result = platform.run("daily_stock_prices", SESSION)
    assert result.success
    assert verdicts(result, "no_upstream_errors") == {SESSION: (False, "WARN")}
    assert verdicts(result, "quarantine_share") == {SESSION: (False, "WARN")}
    assert platform.table("fact_stock_price")["Ticker"].tolist() == symbols


def test_an_answer_of_yesterday_survives_a_throttled_day(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    platform.drop_companies(company("GOOD"))
    platform.run("erp_load")
    yahoo.serve("GOOD", chart("GOOD"))
    platform.materialize("raw_stock_prices", first=SESSION)
    yahoo.serve("GOOD", *SERVED["LIMITED"])
    result = platform.materialize("raw_stock_prices", first=SESSION)
    assert [it["outcome"] for it in raw_lines(platform)] == ["ok"]
    (materialization,) = result.asset_materializations_for_node("raw_stock_prices")
    assert materialization.metadata["change_kept_earlier"].value == 1


def test_an_outage_that_lost_nothing_is_still_seen(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    platform.drop_companies(company("GOOD"))
    platform.run("erp_load")
    yahoo.serve("GOOD", chart("GOOD"))
    platform.materialize("raw_stock_prices", first=SESSION)
    for failure in ("BROKEN", "UNKNOWN"):
        yahoo.serve("GOOD", *SERVED[failure])
        result = platform.materialize("raw_stock_prices", first=SESSION)
        assert [it["outcome"] for it in raw_lines(platform)] == ["ok"]
        assert verdicts(result, "no_upstream_errors") == {SESSION: (False, "ERROR")}


def test_a_session_whose_raw_lines_are_gone_does_not_empty_the_fact(fetched):
    platform, _ = fetched
    files.write(platform.paths.raw_prices(SESSION), gzip.compress(b""))
    result = platform.materialize("processed_stock_prices", first=SESSION)
    assert verdicts(result, "every_line_accounted_for") == {SESSION: (False, "ERROR")}


def test_a_dividend_in_its_own_currency_is_not_taken_for_the_quotes(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    platform.drop_companies(company("GOOD"))
    platform.run("erp_load")
    platform.run("reference_data")
    paid = {"amount": 0.25, "date": opening(MONDAY), "currency": "EUR"}
    yahoo.serve("GOOD", chart("GOOD", events={"dividends": {"x": paid}}))
    assert platform.run("daily_stock_prices", SESSION).success
    (action,) = platform.table("fact_corporate_action").to_dict("records")
    assert (action["Value"], action["Currency"]) == (0.25, "EUR")


def test_a_ban_is_not_prolonged_by_asking_for_the_rest(platform, yahoo):
    platform.use_yahoo(yahoo.url, **RANGE)
    symbols = [f"S{n}" for n in range(6)]
    for symbol in symbols:
        yahoo.serve(symbol, *SERVED["LIMITED"])
    platform.drop_companies(*map(company, symbols))
    platform.run("erp_load")
    platform.materialize("raw_stock_prices", first=SESSION)
    assert [it["outcome"] for it in raw_lines(platform)] == ["throttled"] * 3 + [
        "upstream_error"
    ] * 3
    assert "not asked" in raw_lines(platform)[-1]["error"]
    assert not yahoo.data_requests("S5")
