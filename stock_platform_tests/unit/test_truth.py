"""Every price of the sample after the whole graph, compared with its unadjusted source.

Facts must equal the source, although they went through Yahoo's split-adjusted form and back. The
view's total return must match the source's adjusted close.
"""

import numpy as np
import pandas as pd
import pytest

from stock_platform.market_data.sample_data import sample_path
from stock_platform_tests.support.platform_fixture import Platform

YEARS = [
    ("2000-03-01", "2003-02-28"),
    ("2003-03-03", "2006-12-29"),
    ("2007-01-03", "2009-12-31"),
    ("2010-01-04", "2013-03-01"),
]


@pytest.fixture(scope="module")
def full_history(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("truth")) as platform:
        platform.load_sample_dimensions()
        for first, last in YEARS:
            # Without checks, which have their own tests and would write 40,000 events.
            assert platform.materialize(*ASSETS, first=first, last=last, checks=False).success
        yield platform


ASSETS = ("raw_stock_prices", "processed_stock_prices", "fact_stock_price", "fact_corporate_action")


@pytest.fixture(scope="module")
def source():
    frame = pd.read_csv(sample_path(), parse_dates=["Date"])
    names = {"Date": "TradeDate", "Adj Close": "SourceAdjClose"}
    return frame.rename(columns=names).set_index(["TradeDate", "Ticker"])


def indexed(platform, table):
    frame = platform.table(table)
    frame["TradeDate"] = pd.to_datetime(frame["TradeDate"])
    return frame.set_index(["TradeDate", "Ticker"]).sort_index()


@pytest.fixture(scope="module")
def facts(full_history):
    return indexed(full_history, "fact_stock_price")


@pytest.fixture(scope="module")
def adjusted(full_history):
    return indexed(full_history, "stock_price_adjusted")


def test_facts_have_exactly_the_source_rows(facts, source):
    assert len(facts) == len(source) == 12_154
    assert facts.index.equals(source.index.sort_values())


@pytest.mark.parametrize("column", ["Open", "High", "Low", "Close"])
def test_prices_are_as_traded(facts, source, column):
    ratio = facts[column] / source[column].reindex(facts.index)
    assert (ratio - 1).abs().max() < 1e-6


def test_volumes_are_as_traded(facts, source):
    expected = source["Volume"].reindex(facts.index)
    off = (facts["Volume"] - expected).abs()
    assert ((off <= 1) | (off <= 1e-6 * expected)).all()


def test_only_known_splits_are_found(full_history):
    actions = full_history.table("fact_corporate_action")
    splits = actions[actions["ActionType"] == "split"]
    assert list(zip(splits["DateKey"], splits["Ticker"], splits["Value"], strict=True)) == [
        (20000621, "AAPL", 2.0),
        (20030218, "MSFT", 2.0),
        (20050228, "AAPL", 2.0),
    ]


def test_known_dividends_are_cash_as_traded(full_history):
    actions = full_history.table("fact_corporate_action")
    cash = actions[actions["ActionType"] == "dividend"].set_index(["DateKey", "Ticker"])["Value"]
    known = {
        (20120809, "AAPL"): 2.65,
        (20121107, "AAPL"): 2.65,
        (20130207, "AAPL"): 2.65,
        (20041115, "MSFT"): 3.08,  # the special 3.00 and the regular 0.08
        (20030219, "MSFT"): 0.08,
        (20120808, "IBM"): 0.85,
    }
    assert {key: round(cash[key], 6) for key in known} == known


def test_split_factor_multiplies_later_splits(adjusted):
    factor = adjusted["SplitFactor"].unstack()
    assert factor.loc["2000-06-20", "AAPL"] == pytest.approx(4)
    assert factor.loc["2000-06-21", "AAPL"] == pytest.approx(2)
    assert factor.loc["2005-02-25", "AAPL"] == pytest.approx(2)
    assert factor.loc["2005-02-28", "AAPL"] == pytest.approx(1)
    assert factor.loc["2003-02-14", "MSFT"] == pytest.approx(2)
    assert factor["IBM"].to_numpy() == pytest.approx(1)


def test_total_return_without_payouts_is_close(adjusted):
    goog = adjusted.xs("GOOG", level="Ticker")
    np.testing.assert_allclose(goog["TotalReturnClose"], goog["SplitAdjustedClose"], rtol=1e-12)


def test_total_return_matches_source(adjusted, source):
    """Daily returns of both series, over 92 dividends and 3 splits.

    The source divides by 1 + D / C[ex-date], the view multiplies by 1 - D / C[day before]: on
    an ex-date the returns differ by D/C times the day's move, elsewhere by rounding only.
    """
    for ticker in ("AAPL", "IBM", "MSFT"):
        ours = adjusted.xs(ticker, level="Ticker")["TotalReturnClose"].pct_change().dropna()
        theirs = source.xs(ticker, level="Ticker")["SourceAdjClose"].pct_change().dropna()
        difference = (ours - theirs).abs()
        assert (difference > 1e-6).sum() <= 60
        assert difference.max() < 0.12 * 0.1  # MSFT's 3.08 on 29.97, on a day of -0.9 %
        assert (1 + ours).prod() == pytest.approx((1 + theirs).prod(), rel=5e-3)
