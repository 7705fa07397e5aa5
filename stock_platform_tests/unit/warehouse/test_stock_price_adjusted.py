"""The adjusted view: splits and distributions undone as its comment says."""

import itertools
import math
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.contracts import (
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    STOCK_PRICE_ADJUSTED,
)
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse.duckdb import DuckDBWarehouse

DAYS = [date(2012, 1, day) for day in (9, 10, 11, 12)]
COMMON = {"Currency": "USD", "FetchedAt": datetime(2026, 1, 1, tzinfo=UTC), "BatchId": "b"}


def price(day, close, ticker="A"):
    bar = dict.fromkeys(("Open", "High", "Low", "Close"), close)
    keys = {"DateKey": int(day.strftime("%Y%m%d")), "TradeDate": day, "Ticker": ticker}
    return {**keys, "ExchangeCode": "XNYS", **bar, "Volume": 100, "AdjClose": None, **COMMON}


def action(day, kind, value, ticker="A"):
    keys = {"DateKey": int(day.strftime("%Y%m%d")), "TradeDate": day, "Ticker": ticker}
    return {**keys, "ActionType": kind, "Value": value, **COMMON}


@pytest.fixture
def adjusted(tmp_path):
    def view(prices, actions):
        warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
        warehouse.create_tables()
        for table, rows in ((FACT_STOCK_PRICE, prices), (FACT_CORPORATE_ACTION, actions)):
            file = tmp_path / f"{table.name}.parquet"
            pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(table)), file)
            warehouse.replace_sessions(table, [str(file)], DAYS, len(rows))
        return warehouse.read(STOCK_PRICE_ADJUSTED).to_pylist()

    return view


def column(rows, name, ticker="A"):
    return [row[name] for row in rows if row["Ticker"] == ticker]


def test_without_actions_nothing_is_adjusted(adjusted):
    rows = adjusted([price(day, 10.0) for day in DAYS], [])
    assert column(rows, "SplitFactor") == [1.0] * 4
    assert column(rows, "TotalReturnClose") == [10.0] * 4


def test_a_split_changes_the_sessions_before_its_ex_date_only(adjusted):
    prices = [price(DAYS[0], 100.0), price(DAYS[1], 102.0), price(DAYS[2], 51.5)]
    rows = adjusted(prices, [action(DAYS[2], "split", 2.0)])
    assert column(rows, "SplitFactor") == pytest.approx([2.0, 2.0, 1.0])
    assert column(rows, "AdjClose") == pytest.approx([50.0, 51.0, 51.5])
    assert column(rows, "AdjVolume") == pytest.approx([200.0, 200.0, 100.0])


def test_splits_multiply_and_reverse_splits_divide(adjusted):
    actions = [action(DAYS[1], "split", 7.0), action(DAYS[3], "split", 1 / 50)]
    rows = adjusted([price(day, 10.0) for day in DAYS], actions)
    assert column(rows, "SplitFactor") == pytest.approx([7 / 50, 1 / 50, 1 / 50, 1.0])


def test_a_dividend_paid_on_a_flat_price_is_return(adjusted):
    prices = [price(DAYS[0], 100.0), price(DAYS[1], 98.0)]
    rows = adjusted(prices, [action(DAYS[1], "dividend", 2.0)])
    assert column(rows, "TotalReturnClose") == pytest.approx([98.0, 98.0])
    assert column(rows, "AdjClose") == [100.0, 98.0]


def test_dividend_and_capital_gain_of_one_day_are_one_payout(adjusted):
    actions = [action(DAYS[1], "dividend", 2.0), action(DAYS[1], "capital_gain", 3.0)]
    rows = adjusted([price(DAYS[0], 100.0), price(DAYS[1], 95.0)], actions)
    assert column(rows, "TotalReturnClose") == pytest.approx([95.0, 95.0])


def test_a_dividend_on_the_day_of_a_split_counts_new_shares(adjusted):
    # 100 before; 2:1 and a dividend of 1 for each new share: the holder of one old share has
    # two at 49 and 2 in cash, so nothing was gained or lost.
    actions = [action(DAYS[1], "split", 2.0), action(DAYS[1], "dividend", 1.0)]
    rows = adjusted([price(DAYS[0], 100.0), price(DAYS[1], 49.0)], actions)
    assert column(rows, "TotalReturnClose") == pytest.approx([49.0, 49.0])


def test_a_dividend_before_a_split_is_a_share_of_its_own_day(adjusted):
    prices = [price(DAYS[0], 100.0), price(DAYS[1], 98.0), price(DAYS[2], 49.0)]
    actions = [action(DAYS[1], "dividend", 2.0), action(DAYS[2], "split", 2.0)]
    rows = adjusted(prices, actions)
    assert column(rows, "TotalReturnClose") == pytest.approx([49.0, 49.0, 49.0])


def test_one_tickers_actions_do_not_touch_another(adjusted):
    prices = [price(day, 10.0, ticker) for day in DAYS[:2] for ticker in ("A", "B")]
    rows = adjusted(prices, [action(DAYS[1], "split", 2.0, "A")])
    assert column(rows, "SplitFactor", "B") == [1.0, 1.0]


def test_cash_in_another_currency_is_left_out(adjusted):
    paid_in_dollars = {**action(DAYS[1], "dividend", 2.0), "Currency": "EUR"}
    rows = adjusted([price(DAYS[0], 100.0), price(DAYS[1], 98.0)], [paid_in_dollars])
    assert column(rows, "TotalReturnClose") == [100.0, 98.0]


def test_an_action_without_a_bar_on_its_day_still_counts(adjusted):
    rows = adjusted([price(DAYS[0], 100.0), price(DAYS[2], 50.0)], [action(DAYS[1], "split", 2.0)])
    assert column(rows, "AdjClose") == pytest.approx([50.0, 50.0])


def test_cash_above_the_price_is_left_out_rather_than_made_a_negative_price(adjusted):
    rows = adjusted([price(DAYS[0], 1.0), price(DAYS[1], 1.0)], [action(DAYS[1], "dividend", 5.0)])
    assert all(math.isfinite(value) for value in column(rows, "TotalReturnClose"))
    assert column(rows, "TotalReturnClose") == [1.0, 1.0]


def test_the_order_of_splits_changes_no_bit(adjusted):
    # As floats, the logarithms of these add up to three different sums.
    factors = {
        column(
            adjusted(
                [price(day, 10.0) for day in DAYS],
                [action(day, "split", it) for day, it in zip(DAYS[1:], ratios, strict=True)],
            ),
            "SplitFactor",
        )[0]
        for ratios in itertools.permutations([1.5, 0.02, 11.0])
    }
    assert len(factors) == 1
    assert factors.pop() == pytest.approx(0.33)
