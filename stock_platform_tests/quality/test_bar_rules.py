"""Bars beside their neighbours: what is a defect, what is a market, and what only looks like it."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_platform.limits import QualityLimits
from stock_platform.quality.measures.series import with_neighbours
from stock_platform.quality.rules import bars as rules
from stock_platform.quality.rules.bars import session_verdicts

LIMITS = QualityLimits()
DAYS = [f"2024-01-{day:02}" for day in range(1, 32)]


def prices(closes, ticker="A", **columns):
    frame = pd.DataFrame({"Ticker": ticker, "Session": DAYS[: len(closes)], "Close": closes})
    frame = frame.assign(Open=frame["Close"], High=frame["Close"], Low=frame["Close"])
    return frame.assign(Volume=100, Currency="USD").assign(**columns)


def actions(*rows):
    columns = ["Ticker", "Session", "ActionType", "Value", "Currency"]
    return pd.DataFrame(rows, columns=columns)


def offenders(rule, frame, *known, **limits):
    measured = with_neighbours(frame, actions(*known), QualityLimits(**limits))
    found = rule(measured, QualityLimits(**limits))
    return {(row["Session"], row["Error"]) for row in found.to_dict("records")}


STEADY = [10.0, 10.1, 10.2, 10.1, 10.0, 10.1]


@pytest.mark.parametrize(
    "rule",
    [
        rules.unit_scale,
        rules.unexplained_move,
        rules.split_applied,
        rules.stale_price,
        rules.dividend_plausible,
    ],
)
def test_a_steady_price_offends_no_rule(rule):
    assert offenders(rule, prices(STEADY)) == set()
    assert offenders(rule, prices([])) == set()


@pytest.mark.parametrize("factor", [100, 0.01])
def test_one_price_in_another_unit_is_an_error_in_either_direction(factor):
    frame = prices(STEADY)
    frame.loc[3, "Low"] *= factor
    assert offenders(rules.unit_scale, frame) == {(DAYS[3], True)}


@pytest.mark.parametrize("factor", [1.2, 30, 300])
def test_a_price_that_moved_otherwise_is_no_other_unit(factor):
    frame = prices(STEADY)
    frame.loc[3, "High"] *= factor
    assert offenders(rules.unit_scale, frame) == set()


def test_a_split_of_a_hundred_is_no_other_unit():
    frame = prices([1000.0, 1000.0, 10.0, 10.0])
    assert offenders(rules.unit_scale, frame, ("A", DAYS[2], "split", 100.0, None)) == set()
    assert offenders(rules.unit_scale, frame) != set()


def test_a_change_of_the_currency_is_another_unit():
    frame = prices(STEADY, Currency=["GBp"] * 3 + ["GBP"] * 3)
    assert offenders(rules.unit_scale, frame) == {(DAYS[3], True)}


def test_the_limit_of_a_unit_is_a_setting():
    frame = prices([10.0, 10.0, 300.0, 10.0])
    assert offenders(rules.unit_scale, frame, unit_ratio=20) == {(DAYS[2], True)}


def test_a_move_that_stays_warns_and_one_that_is_taken_back_is_an_error():
    assert offenders(rules.unexplained_move, prices([10, 10, 15.0, 15])) == {(DAYS[2], False)}
    taken_back = offenders(rules.unexplained_move, prices([10, 10, 15.0, 10]))
    assert taken_back == {(DAYS[2], True)}


def test_the_newest_bar_is_not_called_an_error_before_the_next_one_tells():
    assert offenders(rules.unexplained_move, prices([10, 10, 15.0])) == {(DAYS[2], False)}


def test_a_move_that_a_payout_explains_is_none():
    frame = prices([10, 10, 5.0, 5])
    assert offenders(rules.unexplained_move, frame) == {(DAYS[2], False)}
    paid = ("A", DAYS[2], "dividend", 5.0, "USD")
    assert offenders(rules.unexplained_move, frame, paid) == set()
    # What 5 GBP were worth in dollars is not known.
    in_pounds = ("A", DAYS[2], "dividend", 5.0, "GBP")
    assert offenders(rules.unexplained_move, frame, in_pounds) == {(DAYS[2], False)}


def test_an_action_on_a_day_without_a_bar_counts_to_the_next_bar():
    frame = prices([100, 100, 20.0, 20]).drop(index=1)
    assert offenders(rules.unexplained_move, frame) != set()
    split = ("A", DAYS[1], "split", 5.0, None)
    assert offenders(rules.unexplained_move, frame, split) == set()
    assert offenders(rules.split_applied, frame, split) == set()


@given(
    ratio=st.sampled_from([0.05, 0.1, 0.5, 2, 3, 4, 7, 20]),
    at=st.integers(1, 5),
    late=st.integers(-3, 3),
)
def test_a_split_seen_on_another_day_than_its_ex_date_is_an_error_on_both(ratio, at, late):
    ex_date, jump = at + 5, at + 5 + late
    closes = [100.0 if day < jump else 100.0 / ratio for day in range(15)]
    found = offenders(rules.split_applied, prices(closes), ("A", DAYS[ex_date], "split", ratio, ""))
    assert found == ({(DAYS[ex_date], True), (DAYS[jump], True)} if late else set())


def test_a_small_split_that_is_not_applied_warns():
    # Aviva's consolidation of May 2022: prices move by a quarter now and then.
    split = ("A", DAYS[4], "split", 0.76, None)
    assert offenders(rules.split_applied, prices([100.0] * 8), split) == {(DAYS[4], False)}


def test_a_large_move_far_from_a_split_is_not_its_ratio():
    closes = [100.0] * 2 + [50.0] * 8 + [25.0] * 8
    split = ("A", DAYS[2], "split", 2.0, None)
    found = offenders(rules.split_applied, prices(closes), split, split_sessions=5)
    assert found == set()
    found = offenders(rules.split_applied, prices(closes), split, split_sessions=10)
    assert found == {(DAYS[10], True)}


def test_a_price_that_stands_flat_without_volume_is_stale_from_the_fifth_bar():
    frame = prices([10.0] * 8, Volume=[100, 100, 0, 0, 0, 0, 0, 100])
    assert offenders(rules.stale_price, frame) == {(DAYS[6], False)}


def test_a_flat_price_that_changes_or_that_trades_is_not_stale():
    assert offenders(rules.stale_price, prices([10.0] * 8)) == set()
    assert offenders(rules.stale_price, prices(range(10, 18), Volume=0)) == set()


def test_a_large_payout_that_the_price_does_not_show_is_an_error():
    pence_for_pounds = ("A", DAYS[2], "dividend", 2.5, "USD")
    frame = prices([10.0, 10.0, 9.98, 10.0])
    assert offenders(rules.dividend_plausible, frame, pence_for_pounds) == {(DAYS[2], True)}
    seen = prices([10.0, 10.0, 7.6, 7.6])
    assert offenders(rules.dividend_plausible, seen, pence_for_pounds) == set()


def test_the_same_dividend_again_within_days_is_a_phantom():
    first, again = (("A", DAYS[day], "dividend", 0.1, "USD") for day in (1, 4))
    frame = prices([10.0] * 10)
    assert offenders(rules.dividend_plausible, frame, first, again) == {(DAYS[4], False)}
    later = ("A", DAYS[8], "dividend", 0.1, "USD")
    assert offenders(rules.dividend_plausible, frame, first, later) == set()


def test_a_gain_that_the_dividend_already_holds_is_counted_twice():
    paid = [
        ("A", DAYS[2], kind, cash, "USD")
        for kind, cash in (("dividend", 0.8), ("capital_gain", 0.4))
    ]
    twice = prices([10.0, 10.0, 9.2, 9.2])
    assert offenders(rules.dividend_plausible, twice, *paid) == {(DAYS[2], False)}
    once = prices([10.0, 10.0, 8.8, 8.8])
    assert offenders(rules.dividend_plausible, once, *paid) == set()


def test_returns_that_differ_warn_and_those_that_differ_much_are_errors():
    returns = pd.DataFrame(
        {
            "Ticker": ["A", "B", "C"],
            "Session": DAYS[0],
            "OurReturn": [1.01, 1.02, 1.10],
            "YahooReturn": [1.01, 1.01, 1.01],
        }
    )
    found = rules.adjusted_close_agrees(returns, LIMITS).set_index("Ticker")["Error"]
    assert found.to_dict() == {"B": False, "C": True}


def test_a_session_fails_if_one_of_its_bars_is_an_error_and_names_it_first():
    warning, error = (
        {"Ticker": t, "Session": "d", "Error": e, "Text": t} for t, e in (("A", False), ("B", True))
    )
    columns = ["Ticker", "Session", "Error", "Text"]
    verdicts = session_verdicts(pd.DataFrame([warning, error]), {"d": 5}, ["d", "e"])
    assert verdicts["e"].passed
    assert (verdicts["d"].offending, verdicts["d"].tolerable) == (2, False)
    assert verdicts["d"].sample == ("B", "A")
    assert session_verdicts(pd.DataFrame([], columns=columns), {}, ["d"])["d"].passed


@given(factor=st.floats(0.01, 1000), ratio=st.sampled_from([1, 2, 5, 0.1]))
def test_what_is_compared_does_not_depend_on_the_unit_or_on_later_splits(factor, ratio):
    frame = prices([10.0, 11.0, 9.0 / ratio, 9.5 / ratio])
    scaled = prices(list(frame["Close"] * factor))
    split = ("A", DAYS[2], "split", float(ratio), None)
    plain, other = (with_neighbours(it, actions(split), LIMITS) for it in (frame, scaled))
    for column in ("Previous", "Following", "Level"):
        relative = plain[column] / plain["Close"]
        pd.testing.assert_series_equal(relative, other[column] / other["Close"], check_names=False)
    assert plain["Previous"][2] == pytest.approx(11.0 / ratio)


def test_tickers_do_not_see_each_other():
    both = pd.concat([prices([10.0] * 6), prices([1000.0] * 6, ticker="B")])
    measured = with_neighbours(both, actions(("B", DAYS[3], "split", 2.0, None)), LIMITS)
    assert set(measured[measured["Ticker"] == "A"]["NearRatio"]) == {1.0}
    assert set(measured[measured["Ticker"] == "A"]["Level"].dropna()) == {10.0}


@pytest.mark.parametrize(
    ("closes", "error"),
    [
        ([100.0, 145.0, 138.0], False),
        ([100.0, 59.0, 61.0], False),
        ([100.0, 200.0, 104.0], True),
        ([100.0, 50.0, 97.0], True),
    ],
)
def test_a_move_that_mostly_stays_is_news_and_one_taken_back_a_bad_print(closes, error):
    found = offenders(rules.unexplained_move, prices(closes))
    assert (DAYS[1], error) in found


def test_one_extreme_price_does_not_hide_another_in_another_unit():
    frame = prices(STEADY)
    frame.loc[3, ["Open", "Close"]] *= 100
    frame.loc[3, "High"] = 10_000_000.0
    assert (DAYS[3], True) in offenders(rules.unit_scale, frame)


def test_of_two_splits_the_nearer_one_explains_a_jump():
    closes = [100.0, 50.0, 50.0, 50.0, 50.0, 5.0, 5.0, 5.0]
    known = [("A", DAYS[1], "split", 2.0, "USD"), ("A", DAYS[6], "split", 10.0, "USD")]
    found = offenders(rules.split_applied, prices(closes), *known)
    assert (DAYS[5], True) in found


def test_a_duplicate_bar_does_not_multiply():
    frame = pd.concat([prices(STEADY), prices(STEADY).iloc[[2]]])
    assert len(with_neighbours(frame, actions(), LIMITS)) == len(STEADY) + 1
