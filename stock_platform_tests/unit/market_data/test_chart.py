"""Parsing of chart responses."""

import json
from datetime import UTC, date, datetime

import pytest

from stock_platform.market_data.chart import Bar, ChartError, Split, YahooResponseError, read_chart
from stock_platform_tests.support.local_yahoo import MONDAY, chart_body, error_body, opening

LATER = datetime(2030, 1, 1, tzinfo=UTC)
ROW = (10.0, 12.5, 9.5, 11.25, 11.0, 1234)
OPENING, CLOSING = opening(MONDAY), opening(MONDAY, 20, 0)


def read(*args, fetched_at=LATER, **kwargs):
    return read_chart(chart_body("T", *args, **kwargs), fetched_at)


def chart_of(kind, *events):
    """A chart with events, each on the minute after the one before."""
    dated = {str(n): {"date": OPENING + 60 * n, **event} for n, event in enumerate(events)}
    return chart_body("T", events={kind: dated})


def period(start, end):
    return {"regular": {"start": start, "end": end}}


def test_numbers_and_nulls_stay_unchanged():
    chart = read({OPENING: (10, 12.5, None, 522.7000122070312, 11.0, None)})
    assert chart.bars == {MONDAY: Bar(10, 12.5, None, 522.7000122070312, 11.0, None)}
    assert isinstance(chart.bars[MONDAY].open, int)


def test_infinite_price_becomes_null():
    text = chart_body("T", {OPENING: (*ROW[:4], "Infinity", 1)})
    literal = text.replace(b'"Infinity"', b"Infinity")
    assert {read_chart(body, LATER).bars[MONDAY].adj_close for body in (text, literal)} == {None}


def test_missing_metadata_becomes_none():
    chart = read(currency=None, firstTradeDate=None)
    assert (chart.currency, chart.first_trade_date) == (None, None)


def test_response_without_rows_has_no_bars():
    body = json.loads(chart_body("T"))
    result = body["chart"]["result"][0]
    del result["timestamp"]
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    assert read_chart(json.dumps(body), LATER).bars == {}


def test_bar_has_exchange_local_date():
    tokyo_opening = opening(date(2024, 6, 10), 0, 0)
    late_in_new_york = opening(date(2024, 6, 11), 1, 15)
    assert set(read({tokyo_opening: ROW}, exchangeTimezoneName="Asia/Tokyo").bars) == {MONDAY}
    assert set(read({late_in_new_york: ROW}).bars) == {MONDAY}


def test_late_evening_stamp_is_next_day():
    slipped = opening(date(2024, 6, 10), 2, 0)  # 23:00 of Sunday the 9th in Sao Paulo
    assert set(read({slipped: ROW}, exchangeTimezoneName="America/Sao_Paulo").bars) == {MONDAY}


@pytest.mark.parametrize("value", ["ten", True, {}, 10**400])
def test_unreadable_number_costs_only_itself(value):
    chart = read({OPENING: (*ROW[:5], value)})
    assert chart.bars == {MONDAY: Bar(*ROW[:5], None)}


def test_large_number_becomes_a_float():
    volume = read({OPENING: (*ROW[:5], 10**20)}).bars[MONDAY].volume
    assert isinstance(volume, float)
    assert volume == 1e20


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("splits", {"numerator": 1, "denominator": 0}),
        ("splits", {"numerator": 2, "denominator": 10**9}),
        ("splits", {"numerator": "2", "denominator": 1}),
        ("dividends", {"amount": 10**20}),
        ("dividends", {"amount": "0.5"}),
        ("dividends", {}),
        ("capitalGains", {"amount": None}),
    ],
)
def test_unusable_event_costs_only_itself(kind, event):
    body = chart_of(kind, event, {"amount": 0.5, "numerator": 2, "denominator": 1})
    chart = read_chart(body, LATER)
    ((day, (text,)),) = chart.unusable_events.items()
    assert (day, json.loads(text)) == (MONDAY, {"date": OPENING, **event})
    assert len(chart.splits) + len(chart.dividends) + len(chart.capital_gains) == 1


@pytest.mark.parametrize("event", ["x", None, {"date": "today"}, {"date": 10**14}])
def test_event_without_readable_date_is_kept(event):
    chart = read(events={"dividends": {"a": event}})
    assert chart.unusable_events == {None: [json.dumps(event)]}


def test_splits_of_one_day_multiply_without_limit():
    body = chart_of("splits", *[{"numerator": 10**6, "denominator": 1}] * 4)
    assert read_chart(body, LATER).splits == {MONDAY: Split(1e24, 1)}


def test_last_row_of_session_wins():
    live = (*ROW[:5], 1300)
    chart = read({CLOSING + 1: live, OPENING: ROW})
    assert chart.bars == {MONDAY: Bar(*live)}


@pytest.mark.parametrize("twin", [(None,) * 6, (*ROW[:4], None, 0)])
def test_fuller_row_of_session_wins(twin):
    for earlier, later in [(ROW, twin), (twin, ROW)]:
        chart = read({OPENING: earlier, CLOSING + 1: later})
        assert chart.bars == {MONDAY: Bar(*ROW)}


def test_actions_of_one_day_are_combined():
    events = {
        "dividends": {
            "a": {"amount": 0.25, "date": OPENING},
            "b": {"amount": 3, "date": OPENING + 60},
        },
        "capitalGains": {"a": {"amount": 1.5, "date": OPENING}},
        "splits": {
            "a": {"numerator": 1046, "denominator": 1000, "date": OPENING, "splitRatio": ""},
            "b": {"numerator": 2.0, "denominator": 1.0, "date": OPENING + 60},
        },
    }
    chart = read({OPENING: ROW}, events=events)
    assert chart.dividends == {MONDAY: 3.25}
    assert chart.capital_gains == {MONDAY: 1.5}
    assert chart.splits == {MONDAY: Split(2092, 1000)}


@pytest.mark.parametrize(
    ("stamp", "fetched_at", "live"),
    [
        (OPENING, OPENING + 3600, True),  # before the close
        (OPENING + 3600, OPENING + 3600, True),  # stamped with the last trade
        (CLOSING + 1, CLOSING + 7200, True),  # closed, and not settled yet
        (OPENING, CLOSING, False),  # settled
        (CLOSING + 1, CLOSING + 86_400, False),  # served again the day after
        (CLOSING - 1, CLOSING + 86_400, True),  # an old answer
    ],
)
def test_last_bar_is_live_until_final(stamp, fetched_at, live):
    chart = read(
        {opening(date(2024, 6, 7)): ROW, stamp: ROW},
        fetched_at=datetime.fromtimestamp(fetched_at, UTC),
        currentTradingPeriod=period(OPENING, CLOSING),
    )
    assert chart.live_session == (MONDAY if live else None)


def test_old_bar_is_never_live():
    tuesday = opening(date(2024, 6, 11))
    chart = read(
        {OPENING + 60: ROW},
        fetched_at=datetime.fromtimestamp(tuesday + 60, UTC),
        currentTradingPeriod=period(tuesday, tuesday + 6 * 3600),
    )
    assert chart.live_session is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"Too Many Requests", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        (chart_body("T", {OPENING: ROW})[:-40], "not JSON"),
        (b"[]", "ChartJson"),
        (b'{"finance": {}}', "chart: Field required"),
        (b'{"chart": {"result": [], "error": null}}', "not the chart of exactly one symbol"),
        (chart_body("T", exchangeTimezoneName="Nowhere/City"), "exchangeTimezoneName"),
        (chart_body("T", exchangeTimezoneName=None), "exchangeTimezoneName"),
        (chart_body("T", dataGranularity="5m"), "bars of 5m"),
        (chart_body("T", {OPENING: ROW}).replace(b"[1234]", b"[]"), "1 timestamps"),
        (chart_body("T", {10**14: ROW}), "timestamp"),
    ],
)
def test_other_content_is_rejected_with_reason(body, reason):
    with pytest.raises(ChartError, match=reason):
        read_chart(body, LATER)


def test_yahoo_error_is_recognised():
    with pytest.raises(YahooResponseError, match="Not Found: No data found") as refusal:
        read_chart(error_body("Not Found", "No data found"), LATER)
    assert refusal.value.code == "Not Found"
