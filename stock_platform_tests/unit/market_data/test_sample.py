"""The bundled sample, served in the format of Yahoo."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import isclose, prod

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_platform.market_data.chart import read_chart
from stock_platform.market_data.models import Outcome
from stock_platform.market_data.sample import SampleHttpSession, chart
from stock_platform.market_data.sample_data import (
    TradedBar,
    derive_actions,
    sample_path,
    traded_bars,
)
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform.settings import SAMPLE_END, SAMPLE_START
from stock_platform_tests.support.local_yahoo import price_request

FIRST, LAST = date(2000, 3, 1), date(2013, 3, 1)
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


@pytest.fixture
def client(cache_dir):
    return YahooClient(SampleHttpSession(), cache_dir)


@pytest.fixture(scope="module")
def unadjusted():
    return pd.read_csv(sample_path(), parse_dates=["Date"])


def test_sample_range_matches_settings():
    bars = traded_bars()
    assert tuple(sorted(bars)) == SYMBOLS
    assert min(rows[0].session for rows in bars.values()) == FIRST == SAMPLE_START
    assert max(rows[-1].session for rows in bars.values()) == LAST == SAMPLE_END


def test_splits_are_found_and_falls_ignored():
    splits = {symbol: derive_actions(bars).splits for symbol, bars in traded_bars().items()}
    assert splits == {
        "AAPL": {date(2000, 6, 21): 2, date(2005, 2, 28): 2},
        "FB": {},
        "GOOG": {},
        "IBM": {},
        "MSFT": {date(2003, 2, 18): 2},
    }


def test_derived_dividends_match_real_ones():
    paid = {symbol: derive_actions(bars).dividends for symbol, bars in traded_bars().items()}
    assert {symbol: len(dividends) for symbol, dividends in paid.items()} == {
        "AAPL": 3,
        "FB": 0,
        "GOOG": 0,
        "IBM": 52,
        "MSFT": 37,
    }
    ex_dates = (date(2012, 8, 9), date(2012, 11, 7), date(2013, 2, 7))
    assert paid["AAPL"] == dict.fromkeys(ex_dates, 2.65)
    assert paid["MSFT"][date(2003, 2, 19)] == 0.08
    assert paid["MSFT"][date(2004, 11, 15)] == 3.08  # 3 dollars special, and the regular 0.08
    quarters = Counter(day.year for day in paid["IBM"])
    assert quarters == {2000: 3, **dict.fromkeys(range(2001, 2013), 4), 2013: 1}
    whole_cents = [isclose(d * 100, round(d * 100)) for ds in paid.values() for d in ds.values()]
    assert all(whole_cents)


@given(closes=st.lists(st.integers(1000, 30000), min_size=3, max_size=30), data=st.data())
def test_actions_follow_from_adjusted_close(closes, data):
    days = [FIRST + timedelta(days=n) for n in range(len(closes))]
    ratio = st.sampled_from(
        [Fraction(2), Fraction(3), Fraction(7), Fraction(1, 2), Fraction(1, 10)]
    )
    splits = data.draw(st.dictionaries(st.sampled_from(days[1:]), ratio))
    drawn = data.draw(st.dictionaries(st.sampled_from(days[1:]), st.integers(1, 150)))
    dividends = {day: min(cents, 4) if day in splits else cents for day, cents in drawn.items()}
    bars, factor = [], 1.0
    for day, close in reversed(list(zip(days, closes, strict=True))):
        price = close / 100
        bars.append(TradedBar(day, price, price, price, price, 100, price * factor))
        factor /= float(splits.get(day, 1)) * (1 + dividends.get(day, 0) / close)
    actions = derive_actions(bars[::-1])
    assert actions.splits == splits
    assert actions.dividends == {day: cents / 100 for day, cents in dividends.items()}


def undone(line, price):
    """A split-adjusted price as it was traded."""
    return price * prod(s["numerator"] / s["denominator"] for s in line["later_splits"])


def test_undoing_splits_restores_every_row(client, unadjusted):
    compared = 0
    for symbol, rows in unadjusted.groupby("Ticker"):
        sessions = [stamp.date() for stamp in rows["Date"]]
        answer = client.fetch(price_request(str(symbol), *sessions))
        for line, row in zip(answer.records, rows.to_dict("records"), strict=True):
            bar = line["bar"]
            assert line["outcome"] == Outcome.OK
            assert bar is not None
            for ours, source in (
                ("open", "Open"),
                ("high", "High"),
                ("low", "Low"),
                ("close", "Close"),
            ):
                assert isclose(undone(line, bar[ours]), row[source], rel_tol=1e-6)
            assert abs(bar["volume"] / undone(line, 1) - row["Volume"]) <= 1
            compared += 1
    assert compared == 12_154


def test_response_equals_yfinance_frame(client):
    import yfinance  # noqa: PLC0415  heavy import

    frame = yfinance.Ticker("MSFT", session=SampleHttpSession()).history(
        start=FIRST, end=LAST + timedelta(days=1), auto_adjust=False, keepna=True
    )
    lines = client.fetch(price_request("MSFT", *(stamp.date() for stamp in frame.index))).records
    assert [line["bar"]["adj_close"] for line in lines] == list(frame["Adj Close"])
    assert [line["bar"]["close"] for line in lines] == list(frame["Close"])
    assert [line["bar"]["volume"] for line in lines] == list(frame["Volume"])
    assert [line["dividend"] or 0 for line in lines] == list(frame["Dividends"])
    assert {str(day.date()) for day in frame.index[frame["Stock Splits"] > 0]} == {"2003-02-18"}


def test_adjusted_close_keeps_returns():
    body = read_chart(json.dumps(chart("AAPL", 0, 2**31)), datetime.now(UTC))
    source = traded_bars()["AAPL"]
    adjusted = [bar.adj_close for bar in body.bars.values()]
    assert adjusted[-1] == pytest.approx(source[-1].close)
    assert adjusted[0] / adjusted[-1] == pytest.approx(source[0].adj_close / source[-1].adj_close)


def test_sessions_open_at_local_time():
    result = chart("IBM", 0, 2**31)["chart"]["result"][0]
    openings = {datetime.fromtimestamp(stamp, UTC).time() for stamp in result["timestamp"]}
    assert {time.isoformat("minutes") for time in openings} == {"13:30", "14:30"}


def test_last_sample_session_is_final():
    body = json.dumps(chart("IBM", 0, 2**31))
    assert read_chart(body, datetime.now(UTC)).live_session is None


def test_range_limits_rows_and_actions():
    first, end = (int(datetime(2003, 2, d, tzinfo=UTC).timestamp()) for d in (18, 20))
    part = read_chart(json.dumps(chart("MSFT", first, end)), datetime.now(UTC))
    assert list(part.bars) == [date(2003, 2, 18), date(2003, 2, 19)]
    assert (list(part.splits), list(part.dividends)) == ([date(2003, 2, 18)], [date(2003, 2, 19)])


def test_absences_look_like_yahoo(client):
    before_facebook, sunday, after = date(2012, 5, 17), date(2012, 5, 20), date(2013, 3, 4)
    request = price_request("FB", before_facebook, sunday, after, closed=(sunday,))
    found = [line["outcome"] for line in client.fetch(request).records]
    assert found == [Outcome.NOT_LISTED, Outcome.NO_SESSION, Outcome.NULL_BAR]
    (unknown,) = client.fetch(price_request("TSLA", LAST)).records
    assert unknown["outcome"] == Outcome.UNKNOWN_SYMBOL
    (beyond,) = client.fetch(price_request("IBM", after)).records
    assert (beyond["outcome"], beyond["currency"]) == (Outcome.NULL_BAR, "USD")
