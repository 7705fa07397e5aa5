"""The real yfinance client end to end, over HTTP."""

import json
import logging
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from stock_platform.market_data.chart import read_chart
from stock_platform.market_data.http_session import YahooHttpSession
from stock_platform.market_data.models import Outcome
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.local_yahoo import (
    CHART_PATH,
    MONDAY,
    Served,
    chart_body,
    error_body,
    opening,
    price_request,
)

TUESDAY = MONDAY + timedelta(days=1)
ROW = (10.0, 12.5, 9.5, 11.25, 11.0, 1234)
GOOD = {opening(MONDAY): ROW}
UNKNOWN = error_body("Not Found", "No data found, symbol may be delisted")


def outcomes(client, symbol, *sessions):
    return [line["outcome"] for line in client.fetch(price_request(symbol, *sessions)).records]


def test_one_request_covers_range(client, yahoo):
    yahoo.serve("T", Served(body=chart_body("T", GOOD)))
    answer = client.fetch(price_request("T", MONDAY, TUESDAY))
    assert [line["outcome"] for line in answer.records] == ["ok", "null_bar"]
    (path,) = yahoo.data_requests("T")
    query = parse_qs(urlsplit(path).query)
    midnight_in_new_york = opening(MONDAY, 4, 0)
    assert int(query["period1"][0]) == midnight_in_new_york
    assert int(query["period2"][0]) > opening(date.today())  # noqa: DTZ011  hours do not matter
    assert (query["interval"], query["events"]) == (["1d"], ["div,splits,capitalGains"])


@pytest.mark.parametrize(
    ("served", "outcome", "attempts"),
    [
        (Served(404, UNKNOWN), Outcome.UNKNOWN_SYMBOL, 1),
        (Served(404, b"<html>404</html>"), Outcome.UPSTREAM_ERROR, 1),
        (Served(400, error_body("Bad Request", "Data doesn't exist for")), Outcome.NULL_BAR, 1),
        (Served(429, b"Too Many Requests"), Outcome.THROTTLED, 5),
        (Served(429, b"Edge: Too Many Requests"), Outcome.THROTTLED, 5),
        (Served(500, b"oops"), Outcome.UPSTREAM_ERROR, 5),
        (Served(502), Outcome.UPSTREAM_ERROR, 5),
        (Served(200, b""), Outcome.UPSTREAM_ERROR, 5),
        (Served(200, b"<html>Will be right back</html>"), Outcome.UPSTREAM_ERROR, 5),
        (Served(200, chart_body("E", GOOD)[:-20]), Outcome.UPSTREAM_ERROR, 5),
        (Served(200, chart_body("E", GOOD), length=10**6), Outcome.UPSTREAM_ERROR, 5),
        (Served(200, chart_body("E", {opening(MONDAY): (None,) * 6})), Outcome.NULL_BAR, 1),
        (Served(200, chart_body("E", GOOD, currency=None)), Outcome.OK, 1),
        (Served(200, chart_body("E")), Outcome.NULL_BAR, 1),
    ],
)
def test_every_response_becomes_an_outcome(client, yahoo, served, outcome, attempts):
    yahoo.serve("E", served)
    assert outcomes(client, "E", MONDAY) == [outcome]
    assert len(yahoo.data_requests("E")) == attempts


def test_every_throttled_attempt_is_kept(client, yahoo, waits):
    yahoo.serve("T", Served(429, b"Too Many Requests"), Served(body=chart_body("T", GOOD)))
    answer = client.fetch(price_request("T", MONDAY))
    data = [response for response in answer.responses if "period1" in response.url]
    assert [line["outcome"] for line in answer.records] == ["ok"]
    assert [(response.status, response.body) for response in data] == [
        (429, b"Too Many Requests"),
        (200, chart_body("T", GOOD)),
    ]
    assert len(waits) == 1


def test_yfinance_renews_rejected_crumb(client, yahoo):
    yahoo.serve("T", Served(401, b"{}"), Served(body=chart_body("T", GOOD)))
    assert outcomes(client, "T", MONDAY) == ["ok"]


def test_unknown_symbol_costs_one_request(client, yahoo):
    yahoo.time_zones["GONE"] = Served(404, UNKNOWN)
    yahoo.serve("GONE", Served(404, UNKNOWN))
    assert outcomes(client, "GONE", MONDAY, TUESDAY) == [Outcome.UNKNOWN_SYMBOL] * 2
    asked = [urlsplit(path).path for path in yahoo.asked]
    cookie_and_crumb = {"/fc.yahoo.com/", "/query1.finance.yahoo.com/v1/test/getcrumb"}
    assert [path for path in asked if path not in cookie_and_crumb] == [f"{CHART_PATH}GONE"]


@pytest.mark.parametrize("served", [Served(429), Served(200, b"<html>"), Served(200, b"{}")])
def test_failed_time_zone_request_is_transient(client, yahoo, served):
    yahoo.time_zones["NOZONE"] = served
    yahoo.serve("NOZONE", Served(body=chart_body("NOZONE", GOOD)))
    expected = Outcome.THROTTLED if served.status == 429 else Outcome.UPSTREAM_ERROR
    assert outcomes(client, "NOZONE", MONDAY) == [expected]


def test_unreachable_host_is_upstream_error(cache_dir):
    session = YahooHttpSession(1000, "http://127.0.0.1:1", attempts=2, sleep=lambda _: None)
    (line,) = YahooClient(session, cache_dir).fetch(price_request("T", MONDAY)).records
    session.close()
    assert line["outcome"] == Outcome.UPSTREAM_ERROR
    assert "Failed to connect" in (line["error"] or "")


@pytest.mark.parametrize("symbol", ["", "A/B", "../../etc", "T?range=max"])
def test_unsafe_symbols_are_quoted(client, yahoo, symbol):
    yahoo.time_zones[symbol] = Served(404, UNKNOWN)
    (line,) = client.fetch(price_request(symbol, MONDAY)).records
    assert line["outcome"] in {Outcome.UNKNOWN_SYMBOL, Outcome.UPSTREAM_ERROR}
    assert {urlsplit(path).path.count("/") for path in yahoo.asked if "chart" in path} <= {5}


def test_client_never_serves_old_responses(client, yahoo):
    for symbol in ("BRK-B", "^GSPC", "0700.HK", "EURUSD=X", "M&M.NS"):
        yahoo.serve(symbol, Served(500, b"oops"))
        assert outcomes(client, symbol, MONDAY) == [Outcome.UPSTREAM_ERROR]
        yahoo.serve(symbol, Served(body=chart_body(symbol, GOOD)))
        assert outcomes(client, symbol, MONDAY) == ["ok"]
        assert outcomes(client, symbol, MONDAY, TUESDAY) == ["ok", "null_bar"]


def test_live_bar_and_later_split_arrive(client, yahoo):
    regular = {"start": opening(TUESDAY), "end": opening(TUESDAY, 20, 0)}
    split = {"numerator": 10, "denominator": 1, "date": opening(TUESDAY)}
    rows = {**GOOD, opening(TUESDAY) + 5: ROW}
    body = chart_body(
        "T", rows, events={"splits": {"a": split}}, currentTradingPeriod={"regular": regular}
    )
    yahoo.serve("T", Served(body=body))
    monday, tuesday = client.fetch(price_request("T", MONDAY, TUESDAY)).records
    assert (monday["outcome"], tuesday["outcome"]) == ("ok", "live_bar")
    assert monday["later_splits"] == [{"date": "2024-06-11", "numerator": 10, "denominator": 1}]
    assert tuesday["split"] == {"numerator": 10, "denominator": 1}


def test_yfinance_logs_nothing(client, yahoo, caplog, capfd):
    caplog.set_level(logging.INFO)
    yahoo.serve("T", Served(404, UNKNOWN))
    client.fetch(price_request("T", MONDAY))
    assert [record for record in caplog.records if record.name == "yfinance"] == []
    assert capfd.readouterr() == ("", "")


# The recorded IBM is left out: its rows were cut, and yfinance moves an action without a row
# to another one.
RECORDED = ROOT.parent / "shared" / "data" / "yahoo_chart"
BODIES = [
    *sorted(RECORDED.glob("vintage_*.json")),
    *sorted(RECORDED.glob("yf2_*-via-chart-*.json")),
    *sorted(RECORDED.glob("yf2_chart-*-2020-*.json")),
    *sorted(RECORDED.glob("pricehist_inrx*.json")),
]


@pytest.mark.skipif(not BODIES, reason="needs the recorded responses")
@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.name)
def test_parsed_chart_equals_yfinance_frame(path, session, client, yahoo):
    import pandas as pd  # noqa: PLC0415  heavy import
    import yfinance  # noqa: PLC0415  heavy import

    body = path.read_bytes()
    meta = json.loads(body)["chart"]["result"][0]["meta"]
    symbol, zone = meta["symbol"], meta["exchangeTimezoneName"]
    yahoo.time_zones[symbol] = Served(body=chart_body(symbol, exchangeTimezoneName=zone))
    yahoo.serve(symbol, Served(body=body))
    (line,) = client.fetch(price_request(symbol, MONDAY)).records
    assert line["error"] is None
    frame = yfinance.Ticker(symbol, session=session).history(
        start="1960-01-01", end="2100-01-01", auto_adjust=False, actions=True, keepna=True
    )
    chart = read_chart(body, pd.Timestamp.now("UTC").to_pydatetime())
    assert [stamp.date() for stamp in frame.index] == list(chart.bars)
    columns = {
        "open": "Open",
        "high": "High",
        "low": "Low",
        "close": "Close",
        "adj_close": "Adj Close",
    }
    for ours, theirs in columns.items():
        answered = [getattr(bar, ours) for bar in chart.bars.values()]
        assert [None if pd.isna(v) else v for v in frame[theirs]] == answered
    assert list(frame["Volume"]) == [bar.volume or 0 for bar in chart.bars.values()]
    sessions = [stamp.date() for stamp in frame.index]
    for day, dividend, split in zip(
        sessions, frame["Dividends"], frame["Stock Splits"], strict=True
    ):
        ratio = chart.splits.get(day)
        assert dividend == chart.dividends.get(day, 0)
        assert split == (ratio.numerator / ratio.denominator if ratio else 0)
