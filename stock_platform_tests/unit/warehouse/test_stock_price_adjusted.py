"""The adjusted view undoes splits and payouts."""

import itertools
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, STOCK_PRICE_ADJUSTED
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse.duckdb import DuckDBWarehouse

DAYS = [date(2012, 1, day) for day in (9, 10, 11, 12)]
COMMON = {"Currency": "USD", "FetchedAt": datetime(2026, 1, 1, tzinfo=UTC), "BatchId": "b"}


def keys(day, security, ticker):
    date_key = int(day.strftime("%Y%m%d"))
    return {
        "DateKey": date_key,
        "TradeDate": day,
        "SecurityId": security,
        "Ticker": ticker or security,
    }


def price(day, close, security="A", ticker=None):
    bar = dict.fromkeys(("Open", "High", "Low", "Close"), close)
    listing = {**keys(day, security, ticker), "ExchangeCode": "XNYS"}
    return {**listing, **bar, "Volume": 100, "YahooAdjClose": None, **COMMON}


def action(day, kind, value, security="A", ticker=None):
    return {**keys(day, security, ticker), "ActionType": kind, "Value": value, **COMMON}


@pytest.fixture
def adjusted(tmp_path):
    def view(prices, actions):
        warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
        warehouse.create_tables()
        for table, rows in ((FACT_STOCK_PRICE, prices), (FACT_CORPORATE_ACTION, actions)):
            warehouse.replace_table(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)))
        return warehouse.read(STOCK_PRICE_ADJUSTED).to_pylist()

    return view


def column(rows, name, security="A"):
    return [row[name] for row in rows if row["SecurityId"] == security]


def total_returns(adjusted, closes, *actions):
    prices = [price(day, close) for day, close in zip(DAYS, closes, strict=False)]
    return column(adjusted(prices, actions), "TotalReturnClose")


def test_without_actions_nothing_is_adjusted(adjusted):
    rows = adjusted([price(day, 10.0) for day in DAYS], [])
    assert column(rows, "SplitFactor") == [1.0] * 4
    assert column(rows, "TotalReturnClose") == [10.0] * 4


def test_split_adjusts_only_earlier_sessions(adjusted):
    prices = [price(DAYS[0], 100.0), price(DAYS[1], 102.0), price(DAYS[2], 51.5)]
    rows = adjusted(prices, [action(DAYS[2], "split", 2.0)])
    assert column(rows, "SplitFactor") == pytest.approx([2.0, 2.0, 1.0])
    assert column(rows, "SplitAdjustedClose") == pytest.approx([50.0, 51.0, 51.5])
    assert column(rows, "SplitAdjustedVolume") == pytest.approx([200.0, 200.0, 100.0])


def test_splits_multiply_and_reverse_splits_divide(adjusted):
    actions = [action(DAYS[1], "split", 7.0), action(DAYS[3], "split", 1 / 50)]
    rows = adjusted([price(day, 10.0) for day in DAYS], actions)
    assert column(rows, "SplitFactor") == pytest.approx([7 / 50, 1 / 50, 1 / 50, 1.0])


def test_dividend_counts_as_return(adjusted):
    prices = [price(DAYS[0], 100.0), price(DAYS[1], 98.0)]
    rows = adjusted(prices, [action(DAYS[1], "dividend", 2.0)])
    assert column(rows, "TotalReturnClose") == pytest.approx([98.0, 98.0])
    assert column(rows, "SplitAdjustedClose") == [100.0, 98.0]


def test_total_return_prices_share_one_factor(adjusted):
    prices = [
        price(DAYS[0], 100.0) | {"Open": 90.0, "High": 110.0, "Low": 80.0},
        price(DAYS[1], 49.0),
    ]
    actions = [action(DAYS[1], "split", 2.0), action(DAYS[1], "dividend", 1.0)]
    before, _ = adjusted(prices, actions)
    for name, adjusted_to_split in (("Open", 45.0), ("High", 55.0), ("Low", 40.0), ("Close", 50.0)):
        assert before[f"SplitAdjusted{name}"] == pytest.approx(adjusted_to_split)
        assert before[f"TotalReturn{name}"] == pytest.approx(adjusted_to_split * 0.98)


def test_payouts_of_one_day_are_summed(adjusted):
    payouts = action(DAYS[1], "dividend", 2.0), action(DAYS[1], "capital_gain", 3.0)
    assert total_returns(adjusted, [100.0, 95.0], *payouts) == pytest.approx([95.0, 95.0])


@pytest.mark.parametrize(
    ("dividend", "gain", "after", "before"),
    [
        (7.857, 6.42, 92.143, 92.143),  # within the dividend
        (7.857, 6.42, 85.723, 85.723),  # besides it
        (1.0, 6.0, 99.0, 93.0),  # greater than it
    ],
)
def test_gain_within_dividend_counts_once(adjusted, dividend, gain, after, before):
    payouts = action(DAYS[1], "dividend", dividend), action(DAYS[1], "capital_gain", gain)
    assert total_returns(adjusted, [100.0, after], *payouts) == pytest.approx([before, after])


def test_dividend_on_split_day_counts_new_shares(adjusted):
    # One old share at 100 becomes two at 49 and 2 in cash: nothing is gained or lost.
    actions = action(DAYS[1], "split", 2.0), action(DAYS[1], "dividend", 1.0)
    assert total_returns(adjusted, [100.0, 49.0], *actions) == pytest.approx([49.0, 49.0])


def test_dividend_before_split_uses_own_price(adjusted):
    actions = action(DAYS[1], "dividend", 2.0), action(DAYS[2], "split", 2.0)
    assert total_returns(adjusted, [100.0, 98.0, 49.0], *actions) == pytest.approx([49.0] * 3)


def test_actions_affect_only_their_security(adjusted):
    prices = [price(day, 10.0, security) for day in DAYS[:2] for security in ("A", "B")]
    rows = adjusted(prices, [action(DAYS[1], "split", 2.0, "A")])
    assert column(rows, "SplitFactor", "B") == [1.0, 1.0]


def test_actions_follow_security_to_new_ticker(adjusted):
    prices = [price(DAYS[0], 100.0, ticker="OLD"), price(DAYS[1], 49.0, ticker="NEW")]
    reused = price(DAYS[1], 7.0, "B", ticker="OLD")
    actions = [action(DAYS[1], "split", 2.0, ticker="NEW")]
    actions += [action(DAYS[1], "dividend", 1.0, ticker="NEW")]
    rows = adjusted([*prices, reused, price(DAYS[0], 7.0, "B", ticker="B")], actions)
    assert [row["Ticker"] for row in rows if row["SecurityId"] == "A"] == ["OLD", "NEW"]
    assert column(rows, "SplitFactor") == pytest.approx([2.0, 1.0])
    assert column(rows, "TotalReturnClose") == pytest.approx([49.0, 49.0])
    assert column(rows, "TotalReturnClose", "B") == [7.0, 7.0]


def test_foreign_currency_cash_is_left_out(adjusted):
    paid_in_euros = {**action(DAYS[1], "dividend", 2.0), "Currency": "EUR"}
    assert total_returns(adjusted, [100.0, 98.0], paid_in_euros) == [100.0, 98.0]


@pytest.mark.parametrize("units", ["GBp GBP", "ZAc ZAR", "ILA ILS"])
def test_cash_in_major_unit_is_counted(adjusted, units):
    minor, major = units.split()
    closes = zip(DAYS, (1000.0, 975.0), strict=False)
    prices = [{**price(day, close), "Currency": minor} for day, close in closes]
    payouts = [
        {**action(DAYS[1], "dividend", 0.2), "Currency": major},
        {**action(DAYS[1], "capital_gain", 5.0), "Currency": minor},
    ]
    rows = adjusted(prices, payouts)
    assert column(rows, "TotalReturnClose") == pytest.approx([975.0, 975.0])


def test_action_without_bar_still_counts(adjusted):
    rows = adjusted([price(DAYS[0], 100.0), price(DAYS[2], 50.0)], [action(DAYS[1], "split", 2.0)])
    assert column(rows, "SplitAdjustedClose") == pytest.approx([50.0, 50.0])


def test_cash_above_price_is_left_out(adjusted):
    assert total_returns(adjusted, [1.0, 1.0], action(DAYS[1], "dividend", 5.0)) == [1.0, 1.0]


def test_split_order_changes_nothing(adjusted):
    # As floats, the logarithms of these add up to three different sums.
    factors = {
        column(
            adjusted(
                [price(day, 10.0) for day in DAYS],
                [action(day, "split", ratio) for day, ratio in zip(DAYS[1:], ratios, strict=True)],
            ),
            "SplitFactor",
        )[0]
        for ratios in itertools.permutations([1.5, 0.02, 11.0])
    }
    assert len(factors) == 1
    assert factors.pop() == pytest.approx(0.33)
