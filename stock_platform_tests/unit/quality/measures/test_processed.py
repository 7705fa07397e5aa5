"""Published bars are proven valid independently of the Spark job."""

import pandas as pd
import pytest

from stock_platform.quality.measures.processed import invalid_bars

SESSION = "2012-07-03"
PRICES = dict.fromkeys(("Open", "High", "Low", "Close"), 10.0)
BAR = {"Ticker": "A", "Session": SESSION, "Volume": 1.0, **PRICES}


@pytest.mark.parametrize(
    ("reason", "bars"),
    [
        ("ohlc_inconsistent", [BAR | {"High": 9.0}]),
        ("ohlc_inconsistent", [BAR | {"Low": 11.0}]),
        ("non_positive_price", [BAR | {"Open": 0.0, "Low": 0.0}]),
        ("negative_volume", [BAR | {"Volume": -1}]),
        ("null_bar", [BAR | {"Close": None}]),
        ("duplicate", [BAR, BAR]),
    ],
)
def test_invalid_published_bar_is_found(reason, bars):
    found = invalid_bars(pd.DataFrame([BAR | {"Ticker": "B"}, *bars]))
    assert found == {SESSION: {reason: ("A: published",)}}
