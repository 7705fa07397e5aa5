"""Each record becomes a price, a quarantined record with a reason, or a counted absence."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.process_stock_prices import OUTCOMES, WITHOUT_BAR
from stock_platform_tests.support.raw_lake import BAR, SESSION, raw_line, split

WHOLE = raw_line()
REJECTED = {
    "text": ("not_json", "no JSON"),
    "a list": ("not_json", f"[{WHOLE}]"),
    "half a line": ("not_json", WHOLE[:100]),
    "two records in a line": ("not_json", WHOLE + WHOLE),
    "single quotes": ("not_json", "{'symbol': 'AAPL'}"),
    "NaN": ("not_json", raw_line(bar_fields={"open": float("nan")})),
    "Infinity": ("not_json", raw_line(bar_fields={"open": float("inf")})),
    "beyond a double": ("not_json", WHOLE.replace("10.0", "1e400")),
    "a number of 400 digits": ("not_json", WHOLE.replace("1000", "1" * 400)),
    "nested without end": ("not_json", '{"symbol":' + "[" * 50_000),
    "an empty object": ("missing_field", "{}"),
    "no security": ("missing_field", raw_line(security_id=None)),
    "a blank security": ("missing_field", raw_line(security_id=" ")),
    "no symbol": ("missing_field", raw_line(symbol=None)),
    "a blank symbol": ("missing_field", raw_line(symbol=" ")),
    "no session": ("missing_field", raw_line(session=None)),
    "no outcome": ("missing_field", raw_line(outcome=None)),
    "no fetch time": ("missing_field", raw_line(fetched_at=None)),
    "an unreadable fetch time": ("missing_field", raw_line(fetched_at="20:00")),
    "a new outcome": ("unknown_outcome", raw_line(outcome="delisted")),
    "a session of another format": ("wrong_session", raw_line(session="2012-1-3")),
    "a foreign ticker": ("unknown_ticker", raw_line(symbol="GOOG")),
    "a symbol that is a number": ("unknown_ticker", raw_line(symbol=5)),
    "a price on a day without a session": ("bar_on_closed_session", raw_line(outcome="no_session")),
    "a live bar": ("live_bar", raw_line(outcome="live_bar")),
    "outcome null_bar": ("null_bar", raw_line(outcome="null_bar")),
    "no bar": ("null_bar", raw_line(bar=None)),
    "a bar that is a list": ("null_bar", raw_line(bar=[1])),
    "a null low": ("null_bar", raw_line(bar_fields={"low": None})),
    "a null volume": ("null_bar", raw_line(bar_fields={"volume": None})),
    "a number in quotes": ("null_bar", raw_line(bar_fields={"open": "10.0"})),
    "no currency": ("missing_currency", raw_line(currency=None)),
    "no exchange": ("missing_exchange", raw_line(exchange="")),
    "unknown later splits": ("bad_later_split", raw_line(later_splits=None)),
    "a later split of nothing": ("bad_later_split", raw_line(later_splits=[split(2, 0)])),
    "a later split without ratio": ("bad_later_split", raw_line(later_splits=[split(None, 1)])),
    "a later split that is null": ("bad_later_split", raw_line(later_splits=[None])),
    "a split that is no object": ("bad_later_split", raw_line(later_splits=[5])),
    "a split of that very day": (
        "bad_later_split",
        raw_line(later_splits=[split(2, 1, day=SESSION)]),
    ),
    "an undated split": ("bad_later_split", raw_line(later_splits=[split(2, 1, day=None)])),
    "a price of zero": ("non_positive_price", raw_line(bar_fields={"low": 0.0})),
    "a negative price": ("non_positive_price", raw_line(bar_fields={"open": -1.0})),
    "negative volume": ("negative_volume", raw_line(bar_fields={"volume": -1})),
    "more shares than countable": ("volume_too_large", raw_line(bar_fields={"volume": 1e300})),
    "a high below the close": ("ohlc_inconsistent", raw_line(bar_fields={"high": 10.9})),
    "a low above the open": ("ohlc_inconsistent", raw_line(bar_fields={"low": 10.1})),
}


def test_each_defect_has_its_reason(classify):
    rows = classify(*(line for _, line in REJECTED.values()))
    reasons = dict(zip(REJECTED, (row["Reason"] for row in rows), strict=True))
    assert reasons == {defect: reason for defect, (reason, _) in REJECTED.items()}


def test_valid_record_fills_every_column(classify):
    (row,) = classify(raw_line("NA", bar_fields={"volume": 123.0}))
    assert (row["Reason"], row["WithoutBar"]) == (None, None)
    assert (row["Ticker"], row["ExchangeCode"], row["Currency"]) == ("NA", "XNAS", "USD")
    assert (row["SecurityId"], str(row["TradeDate"])) == ("ID-NA", SESSION)
    assert [row[name] for name in ("Open", "High", "Low", "Close")] == [10.0, 12.0, 9.0, 11.0]
    assert (row["Volume"], row["YahooAdjClose"]) == (123, 10.5)


def test_source_rounding_is_consistent(classify):
    (row,) = classify(raw_line(bar_fields={"high": 11.0 * (1 - 0.9e-4), "low": 9.0}))
    assert row["Reason"] is None


@pytest.mark.parametrize("adj_close", [None, 0.0, -1.0, "10.5"])
def test_unusable_adjusted_close_keeps_price(classify, adj_close):
    (row,) = classify(raw_line(bar_fields={"adj_close": adj_close}))
    assert (row["Reason"], row["YahooAdjClose"]) == (None, None)


def test_absences_are_counted_by_outcome(classify):
    rows = classify(*(raw_line(outcome=outcome, bar=None) for outcome in WITHOUT_BAR))
    assert [row["WithoutBar"] for row in rows] == list(WITHOUT_BAR)
    assert {row["Reason"] for row in rows} == {None}


def test_absence_of_unknown_ticker_is_quarantined(classify):
    (row,) = classify(raw_line("GOOG", outcome="unknown_symbol", bar=None))
    assert (row["Reason"], row["WithoutBar"]) == ("unknown_ticker", None)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
MESSY_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("exchange", "currency", "dividend", "split", "fetched_at"), ANY_JSON),
        "security_id": ANY_JSON,
        "symbol": st.sampled_from(["AAPL", "MSFT", "XX"]) | ANY_JSON,
        "outcome": st.sampled_from(OUTCOMES) | ANY_JSON,
        "later_splits": st.lists(st.builds(split, ANY_JSON, ANY_JSON), max_size=2) | ANY_JSON,
        "bar": ANY_JSON | st.dictionaries(st.sampled_from(list(BAR)), ANY_JSON),
    },
)
MESSY_RECORD = st.builds(lambda fields: json.dumps(json.loads(WHOLE) | fields), MESSY_FIELDS)
NO_RECORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSY_RECORD | NO_RECORD.filter(str.strip), max_size=30, unique=True))
def test_every_record_has_one_result(classify, lines):
    rows = classify(*lines)
    assert [row["Text"] for row in rows] == lines
    for row in rows:
        assert row["Reason"] is None or row["WithoutBar"] is None
        if row["Reason"] is None and row["WithoutBar"] is None:
            needed = set(row) - {"Reason", "WithoutBar", "YahooAdjClose"}
            assert all(row[name] is not None for name in needed)
            assert 0 < row["Low"] <= row["High"] * (1 + 3e-4)
            assert row["Volume"] >= 0
