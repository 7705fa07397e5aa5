"""Rules for bars: defects, real market moves, and moves that only look like defects."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_platform.quality.measures.price_context import with_neighbours
from stock_platform.quality.rules import bars as rules
from stock_platform.quality.rules.bars import session_results
from stock_platform.settings.quality import QualityLimits

LIMITS = QualityLimits()
DAYS = [f"2024-01-{day:02}" for day in range(1, 32)]
STEADY = [10.0, 10.1, 10.2, 10.1, 10.0, 10.1]
ERROR, WARNING = True, False


def prices(closes, ticker="A", **columns):
    frame = pd.DataFrame({"Ticker": ticker, "Session": DAYS[: len(closes)], "Close": closes})
    frame = frame.assign(Open=frame["Close"], High=frame["Close"], Low=frame["Close"])
    return frame.assign(Volume=100, Currency="USD").assign(**columns)


def steady(factor, *columns):
    """Steady prices, with some prices of the fourth bar multiplied."""
    frame = prices(STEADY)
    frame.loc[3, list(columns)] *= factor
    return frame


def actions(*rows):
    columns = ["Ticker", "Session", "ActionType", "Value", "Currency"]
    return pd.DataFrame(rows, columns=columns)


def split(day, ratio, ticker="A"):
    return (ticker, DAYS[day], "split", float(ratio), None)


def paid(day, cash, currency="USD", kind="dividend"):
    return ("A", DAYS[day], kind, cash, currency)


def failed(rule, frame, *known, **limits):
    limits = QualityLimits(**limits)
    found = rule(with_neighbours(frame, actions(*known), limits), limits)
    return {(DAYS.index(row["Session"]), row["Error"]) for row in found.to_dict("records")}


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
def test_steady_prices_pass_every_rule(rule):
    assert failed(rule, prices(STEADY)) == set()
    assert failed(rule, prices([])) == set()


HUNDREDTH = prices([1000.0, 1000.0, 10.0, 10.0])


@pytest.mark.parametrize(
    ("frame", "known", "expected"),
    [
        (steady(100, "Low"), [], {(3, ERROR)}),
        (steady(0.01, "Low"), [], {(3, ERROR)}),
        *((steady(factor, "High"), [], set()) for factor in (1.2, 30, 300)),
        # An extreme price does not hide another one.
        (
            steady(100, "Open", "Close").assign(High=[*STEADY[:3], 1e7, *STEADY[4:]]),
            [],
            {(3, ERROR)},
        ),
        (prices(STEADY, Currency=["GBp"] * 3 + ["GBP"] * 3), [], {(3, ERROR)}),
        (HUNDREDTH, [], {(2, ERROR), (3, ERROR)}),
        (HUNDREDTH, [split(2, 100)], set()),
    ],
)
def test_only_hundredfold_prices_are_another_unit(frame, known, expected):
    assert failed(rules.unit_scale, frame, *known) == expected


def test_unit_ratio_is_a_setting():
    frame = prices([10.0, 10.0, 300.0, 10.0])
    assert failed(rules.unit_scale, frame, unit_ratio=20) == {(2, ERROR)}


@pytest.mark.parametrize(
    ("closes", "severity"),
    [
        ([10, 15.0, 15], WARNING),
        ([10, 15.0, 10], ERROR),
        ([100.0, 145.0, 138.0], WARNING),
        ([100.0, 59.0, 61.0], WARNING),
        ([100.0, 200.0, 104.0], ERROR),
        ([100.0, 50.0, 97.0], ERROR),
        # The next close is not known yet.
        ([10, 15.0], WARNING),
    ],
)
def test_lasting_move_warns_and_reverted_move_fails(closes, severity):
    assert (1, severity) in failed(rules.unexplained_move, prices(closes))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], {(2, WARNING)}),
        ([paid(2, 5.0)], set()),
        # The value of 5 GBP in dollars is not known.
        ([paid(2, 5.0, "GBP")], {(2, WARNING)}),
    ],
)
def test_payout_explains_a_move(known, expected):
    assert failed(rules.unexplained_move, prices([10, 10, 5.0, 5]), *known) == expected


def test_action_without_bar_belongs_to_next_bar():
    frame = prices([100, 100, 20.0, 20]).drop(index=1)
    assert failed(rules.unexplained_move, frame) != set()
    assert failed(rules.unexplained_move, frame, split(1, 5)) == set()
    assert failed(rules.split_applied, frame, split(1, 5)) == set()


@given(
    ratio=st.sampled_from([0.05, 0.1, 0.5, 2, 3, 4, 7, 20]),
    at=st.integers(1, 5),
    late=st.integers(-3, 3),
)
def test_split_away_from_its_ex_date_fails_twice(ratio, at, late):
    ex_date, jump = at + 5, at + 5 + late
    closes = [100.0 if day < jump else 100.0 / ratio for day in range(15)]
    found = failed(rules.split_applied, prices(closes), split(ex_date, ratio))
    assert found == ({(ex_date, ERROR), (jump, ERROR)} if late else set())


def test_small_unapplied_split_warns():
    # Aviva's consolidation of May 2022. Prices move by a quarter now and then.
    assert failed(rules.split_applied, prices([100.0] * 8), split(4, 0.76)) == {(4, WARNING)}


@pytest.mark.parametrize(("sessions", "expected"), [(5, set()), (10, {(10, ERROR)})])
def test_move_far_from_a_split_passes(sessions, expected):
    frame = prices([100.0] * 2 + [50.0] * 8 + [25.0] * 8)
    assert failed(rules.split_applied, frame, split(2, 2), split_sessions=sessions) == expected


def test_nearer_split_explains_a_jump():
    frame = prices([100.0, 50.0, 50.0, 50.0, 50.0, 5.0, 5.0, 5.0])
    assert (5, ERROR) in failed(rules.split_applied, frame, split(1, 2), split(6, 10))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (prices([10.0] * 8, Volume=[100, 100, 0, 0, 0, 0, 0, 100]), {(6, WARNING)}),
        (prices([10.0] * 8), set()),
        (prices(range(10, 18), Volume=0), set()),
    ],
)
def test_flat_price_is_stale_from_the_fifth_bar(frame, expected):
    assert failed(rules.stale_price, frame) == expected


GAIN = paid(2, 0.4, kind="capital_gain")


@pytest.mark.parametrize(
    ("closes", "known", "expected"),
    [
        # A large payout, invisible in the price and visible.
        ([10.0, 10.0, 9.98, 10.0], [paid(2, 2.5)], {(2, ERROR)}),
        ([10.0, 10.0, 7.6, 7.6], [paid(2, 2.5)], set()),
        # The same dividend again, within days and later.
        ([10.0] * 10, [paid(1, 0.1), paid(4, 0.1)], {(4, WARNING)}),
        ([10.0] * 10, [paid(1, 0.1), paid(8, 0.1)], set()),
        # A gain that is part of the dividend, and one that is not.
        ([10.0, 10.0, 9.2, 9.2], [paid(2, 0.8), GAIN], {(2, WARNING)}),
        ([10.0, 10.0, 8.8, 8.8], [paid(2, 0.8), GAIN], set()),
    ],
)
def test_implausible_payouts_are_found(closes, known, expected):
    assert failed(rules.dividend_plausible, prices(closes), *known) == expected


def test_return_gap_warns_and_large_gap_fails():
    returns = pd.DataFrame({"Ticker": ["A", "B", "C"], "Session": DAYS[0]})
    returns = returns.assign(OurReturn=[1.01, 1.02, 1.10], YahooReturn=1.01)
    found = rules.adjusted_close_agrees(returns, LIMITS).set_index("Ticker")["Error"]
    assert found.to_dict() == {"B": WARNING, "C": ERROR}


def test_session_with_an_error_names_it_first():
    columns = ["Ticker", "Session", "Error", "Text"]
    bars = pd.DataFrame([["A", "d", WARNING, "A"], ["B", "d", ERROR, "B"]], columns=columns)
    results = session_results(bars, {"d": 5}, ["d", "e"])
    assert results["e"].passed
    assert (results["d"].failure_count, results["d"].warn_only) == (2, False)
    assert results["d"].examples == ("B", "A")
    assert session_results(bars.head(0), {}, ["d"])["d"].passed


@given(factor=st.floats(0.01, 1000), ratio=st.sampled_from([1, 2, 5, 0.1]))
def test_context_is_independent_of_unit_and_splits(factor, ratio):
    frame = prices([10.0, 11.0, 9.0 / ratio, 9.5 / ratio])
    scaled = prices(list(frame["Close"] * factor))
    plain, other = (
        with_neighbours(bars, actions(split(2, ratio)), LIMITS) for bars in (frame, scaled)
    )
    for column in ("Previous", "Following", "Level"):
        relative = plain[column] / plain["Close"]
        pd.testing.assert_series_equal(relative, other[column] / other["Close"], check_names=False)
    assert plain["Previous"][2] == pytest.approx(11.0 / ratio)


def test_tickers_do_not_affect_each_other():
    both = pd.concat([prices([10.0] * 6), prices([1000.0] * 6, ticker="B")])
    measured = with_neighbours(both, actions(split(3, 2, ticker="B")), LIMITS)
    assert set(measured[measured["Ticker"] == "A"]["NearRatio"]) == {1.0}
    assert set(measured[measured["Ticker"] == "A"]["Level"].dropna()) == {10.0}


def test_duplicate_bar_does_not_multiply():
    frame = pd.concat([prices(STEADY), prices(STEADY).iloc[[2]]])
    assert len(with_neighbours(frame, actions(), LIMITS)) == len(STEADY) + 1
