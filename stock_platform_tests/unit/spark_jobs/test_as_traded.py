"""Yahoo's split adjustment is undone: prices, shares and cash are as traded."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_platform_tests.support.raw_lake import raw_line, split

RATIOS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=4)


def test_two_splits_are_undone(classify):
    # AAPL closed at 411.23 on 2012-01-03; Yahoo returns 14.686786 since the 7:1 and 4:1 splits.
    bar = {"open": 14.621429, "high": 14.732143, "low": 14.607143, "close": 14.686786}
    later = [split(7, 1, "2014-06-09"), split(4, 1, "2020-08-31")]
    fields = {"later_splits": later, "dividend": 0.094643}
    (row,) = classify(raw_line(bar_fields={**bar, "volume": 302_220_800}, **fields))
    assert row["Close"] == pytest.approx(411.23, abs=0.005)
    assert row["Volume"] == 10_793_600
    assert row["YahooAdjClose"] == 10.5
    assert row["Actions"] == [
        {"ActionType": "dividend", "Value": pytest.approx(2.65, abs=1e-4), "PaidIn": None}
    ]


@settings(max_examples=40, deadline=None)
@given(RATIOS, st.integers(0, 10**12), st.floats(0.01, 1e6))
def test_later_splits_scale_prices_and_shares(classify, ratios, volume, price):
    bar = dict.fromkeys(("open", "high", "low", "close"), price) | {"volume": volume}
    (row,) = classify(raw_line(bar_fields=bar, later_splits=[split(*ratio) for ratio in ratios]))
    factor = math.prod((Fraction(new, old) for new, old in ratios), start=Fraction(1))
    assert row["Reason"] is None
    assert row["Close"] == pytest.approx(price * float(factor), rel=1e-12)
    assert row["Volume"] == pytest.approx(float(volume / factor), rel=1e-12, abs=0.5 + 1e-6)


def test_half_a_share_rounds_up(classify):
    lines = (raw_line(bar_fields={"volume": v}, later_splits=[split(2, 1)]) for v in (1, 3, 4))
    assert [row["Volume"] for row in classify(*lines)] == [1, 2, 2]


def test_split_value_is_shares_ratio(classify):
    (row,) = classify(raw_line(split={"numerator": 3, "denominator": 2}))
    assert row["Actions"] == [{"ActionType": "split", "Value": 1.5, "PaidIn": None}]


def test_record_without_bar_keeps_actions(classify):
    action = {"dividend": 0.5, "capital_gain": 1.0}
    lines = (
        raw_line(outcome="null_bar", bar=None, **action),
        raw_line(outcome="throttled", bar=None, **action),
        raw_line(bar_fields={"open": -1}, **action),
    )
    expected = {"dividend": 0.5, "capital_gain": 1.0}
    for row in classify(*lines):
        assert {action["ActionType"]: action["Value"] for action in row["Actions"]} == expected


def test_unidentified_record_has_no_actions(classify):
    lines = (raw_line("GOOG", dividend=1.0), raw_line(session="2012-1-3", dividend=1.0))
    assert [row["Actions"] for row in classify(*lines)] == [None, None]


@pytest.mark.parametrize(
    "action",
    [
        {"dividend": 0},
        {"dividend": -0.5},
        {"capital_gain": 0.0},
        {"split": {"numerator": 0, "denominator": 1}},
        {"split": {"numerator": 2, "denominator": None}},
        {"split": {"numerator": 2, "denominator": -1}},
    ],
)
def test_bad_action_keeps_price(classify, action):
    (row,) = classify(raw_line(**action))
    assert row["Reason"] is None
    assert [action["Value"] for action in row["Actions"]] == [None]


def test_cash_needs_later_splits(classify):
    (row,) = classify(raw_line(dividend=1.0, later_splits=[split(0, 1)]))
    assert (row["Reason"], row["Actions"][0]["Value"]) == ("bad_later_split", None)
