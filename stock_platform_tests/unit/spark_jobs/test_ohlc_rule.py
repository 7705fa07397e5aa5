"""The job and the check that guards it share one OHLC rule."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.process_stock_prices import OHLC, price_rules
from stock_platform.quality.measures.processed import is_ohlc_inconsistent

# The tolerances once differed for this bar: the job published it, and the check failed.
DEEP_FALL = (100.0, 99.9925, 50.0, 50.0)
PRICE = st.floats(1e-6, 1e9)
# Prices of a bar that differ by about the tolerance, in ten-thousandths.
CLOSE_PRICES = st.builds(
    lambda price, steps: tuple(price * (1 + step * 1e-4) for step in steps),
    PRICE,
    st.tuples(*[st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(-2, 2))] * 4),
)
BARS = st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE) | CLOSE_PRICES, min_size=1, max_size=200)


def by_job(spark, bars):
    frame = spark.createDataFrame(bars, ", ".join(f"{name} double" for name in OHLC))
    rows = frame.select(price_rules()["ohlc_inconsistent"].alias("broken")).collect()
    return [row["broken"] for row in rows]


def by_check(bars):
    return is_ohlc_inconsistent(pd.DataFrame(bars, columns=list(OHLC))).tolist()


@settings(max_examples=25)
@given(bars=BARS)
def test_job_and_check_agree(spark, bars):
    assert by_job(spark, bars) == by_check(bars)


@pytest.mark.parametrize(
    ("bar", "is_inconsistent"),
    [
        (DEEP_FALL, False),
        ((100.0, 99.98, 50.0, 50.0), True),
        ((50.0, 100.0, 50.002, 100.0), False),
        ((50.0, 100.0, 50.01, 100.0), True),
    ],
)
def test_tolerance_scales_with_price(spark, bar, is_inconsistent):
    assert by_job(spark, [bar]) == by_check([bar]) == [is_inconsistent]
