"""Outcomes and contents of raw price records."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_platform.market_data.models import (
    EXPECTED_ABSENCES,
    TRANSIENT_OUTCOMES,
    HttpResponseRecord,
    Outcome,
)
from stock_platform.market_data.price_records import build_symbol_result
from stock_platform_tests.support.local_yahoo import (
    MONDAY,
    chart_body,
    error_body,
    opening,
    price_request,
)

URL = "https://query2.finance.yahoo.com/v8/finance/chart/T"
DATA_URL = f"{URL}?period1=0&period2=4294967296&interval=1d"
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ROW = (10.0, 12.5, 9.5, 11.25, 11.0, 1234)
NULLS = (None,) * 6
TUESDAY, FRIDAY = MONDAY + timedelta(days=1), MONDAY - timedelta(days=3)


def answered(body, status=200, url=DATA_URL):
    return HttpResponseRecord(url, status, NOW, body, None if status else "timed out")


def records(request, *responses):
    found = build_symbol_result(request, responses, "yfinance/1.7.0").records
    assert [line["session_date"] for line in found] == [s.isoformat() for s in request.sessions]
    return list(found)


def record(*responses, session=MONDAY, closed=()):
    """The record of one session."""
    (found,) = records(price_request("T", session, closed=closed), *responses)
    return found


def outcomes(request, *responses):
    return [line["outcome"] for line in records(request, *responses)]


def test_record_contains_all_session_data():
    ex_date, later = opening(MONDAY), opening(TUESDAY)
    body = chart_body(
        "T",
        {ex_date: ROW},
        events={
            "dividends": {"a": {"amount": 0.5, "date": ex_date, "currency": "EUR"}},
            "splits": {
                "a": {"numerator": 2, "denominator": 1, "date": ex_date},
                "b": {"numerator": 3, "denominator": 2, "date": later},
            },
        },
    )
    answer = answered(body)
    assert build_symbol_result(price_request("T", MONDAY), [answer], "yfinance/1.7.0").records == (
        {
            "symbol": "T",
            "security_id": "C-T",
            "session_date": "2024-06-10",
            "outcome": "ok",
            "exchange": "XNYS",
            "currency": "USD",
            "bar": {
                "open": 10.0,
                "high": 12.5,
                "low": 9.5,
                "close": 11.25,
                "adj_close": 11.0,
                "volume": 1234,
            },
            "dividend": 0.5,
            "dividend_currency": "EUR",
            "capital_gain": None,
            "split": {"numerator": 2, "denominator": 1},
            "later_splits": [{"date": "2024-06-11", "numerator": 3, "denominator": 2}],
            "fetched_at": "2030-01-01T12:00:00+00:00",
            "client": "yfinance/1.7.0",
            "response_sha256": sha256(body).hexdigest(),
            "error": None,
        },
    )


def test_every_response_is_kept_verbatim():
    page = b"<html>\xff</html>"
    answers = [answered(page, 502), answered(b"", None), answered(chart_body("T"))]
    kept = build_symbol_result(price_request("T", MONDAY), answers, "c").responses
    assert kept == tuple(answers)


def test_missing_bar_on_holiday_is_no_session():
    assert record(answered(chart_body("T")), closed=(MONDAY,))["outcome"] == Outcome.NO_SESSION


def test_bar_on_closed_exchange_is_kept():
    found = record(answered(chart_body("T", {opening(MONDAY): ROW})), closed=(MONDAY,))
    assert found["outcome"] == Outcome.NO_SESSION
    assert found["bar"]


def test_missing_bar_before_listing_is_not_listed():
    body = chart_body("T", firstTradeDate=opening(MONDAY))
    request = price_request("T", FRIDAY, MONDAY, TUESDAY)
    assert outcomes(request, answered(body)) == ["not_listed", "null_bar", "null_bar"]


def test_price_before_first_trade_date_counts():
    body = chart_body("T", {opening(FRIDAY): ROW}, firstTradeDate=opening(MONDAY))
    assert record(answered(body), session=FRIDAY)["outcome"] == "ok"


@pytest.mark.parametrize("row", [NULLS, (*ROW[:3], None, *ROW[4:])])
def test_bar_with_missing_prices_is_kept(row):
    found = record(answered(chart_body("T", {opening(MONDAY): row})))
    assert found["outcome"] == Outcome.NULL_BAR
    assert tuple((found["bar"] or {}).values()) == row


def test_volume_and_currency_are_optional():
    body = chart_body("T", {opening(MONDAY): (*ROW[:5], None)}, currency=None)
    found = record(answered(body))
    assert (found["outcome"], found["currency"]) == ("ok", None)


def test_live_bar_is_kept():
    regular = {"start": opening(MONDAY), "end": opening(MONDAY, 20, 0)}
    body = chart_body("T", {opening(MONDAY) + 60: ROW}, currentTradingPeriod={"regular": regular})
    found = record(answered(body))
    assert found["outcome"] == Outcome.LIVE_BAR
    assert found["bar"]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, error_body("Not Found", "No data found, symbol may be delisted"), "unknown_symbol"),
        (200, error_body("Not Found", "No data found"), "unknown_symbol"),
        (404, b"<html>404</html>", "upstream_error"),
        (400, error_body("Bad Request", "Data doesn't exist for startDate = 1"), "null_bar"),
        (400, error_body("Bad Request", "Invalid input"), "upstream_error"),
        (401, b'{"finance": {"result": null}}', "upstream_error"),
        (422, error_body("Unprocessable Entity", "5m data not available"), "upstream_error"),
        (429, b"Too Many Requests", "throttled"),
        (429, error_body("Not Found", "whatever"), "throttled"),
        (500, error_body("Not Found", "whatever"), "upstream_error"),
        (502, b"", "upstream_error"),
        (200, b"", "upstream_error"),
        (200, b"<html>Will be right back</html>", "upstream_error"),
        (200, chart_body("T")[:-9], "upstream_error"),
        (200, chart_body("SOMETHING-ELSE"), "upstream_error"),
        (200, chart_body("T", currency=None), "null_bar"),
        (None, b"", "upstream_error"),
    ],
)
def test_status_and_body_decide_outcome(status, body, expected):
    found = record(answered(body, status))
    assert found["outcome"] == expected
    assert found["bar"] is None
    assert (found["response_sha256"] is None) == (status is None)


def test_failure_applies_to_every_session():
    request = price_request("T", MONDAY, TUESDAY, closed=(TUESDAY,))
    found = records(request, answered(b"Too Many Requests", 429))
    assert {line["outcome"] for line in found} == {"throttled"}
    assert {line["error"] for line in found} == {"HTTP 429: Too Many Requests"}


def test_range_without_data_depends_on_calendar():
    body = error_body("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2")
    request = price_request("T", MONDAY, TUESDAY, closed=(TUESDAY,))
    assert outcomes(request, answered(body, 400)) == ["null_bar", "no_session"]


def test_time_zone_response_gives_no_prices():
    time_zone = answered(chart_body("T", {opening(MONDAY): ROW}), url=f"{URL}?range=1d&interval=1d")
    assert record(time_zone)["outcome"] == Outcome.UPSTREAM_ERROR
    assert record(time_zone, answered(b"", 429))["outcome"] == "throttled"


def test_last_attempt_decides():
    responses = answered(b"", 429), answered(chart_body("T", {opening(MONDAY): ROW}))
    assert record(*responses)["outcome"] == "ok"


def test_outcome_sets_are_disjoint():
    assert not TRANSIENT_OUTCOMES & EXPECTED_ABSENCES


@pytest.mark.parametrize("sessions", [(), (TUESDAY, MONDAY), (MONDAY, MONDAY)])
def test_request_needs_ascending_sessions(sessions):
    with pytest.raises(ValueError, match="ascend"):
        price_request("T", *sessions)


@given(
    splits=st.dictionaries(
        st.integers(0, 9), st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=4
    )
)
def test_later_splits_are_strictly_later(splits):
    days = [MONDAY + timedelta(days=n) for n in range(10)]
    events = {
        str(n): {"date": opening(days[n]), "numerator": up, "denominator": down}
        for n, (up, down) in splits.items()
    }
    body = chart_body("T", {opening(day): ROW for day in days}, events={"splits": events})
    for n, line in enumerate(records(price_request("T", *days), answered(body))):
        factor = prod(
            Fraction(int(s["numerator"]), int(s["denominator"])) for s in line["later_splits"]
        )
        assert factor == prod(Fraction(*ratio) for m, ratio in splits.items() if m > n)
        dates = [s["date"] for s in line["later_splits"]]
        assert dates == sorted(dates)
