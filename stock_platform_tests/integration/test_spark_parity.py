"""Sail and classic Spark give equal results for messy sessions, and for changes to them."""

import pyarrow.compute as pc
import pytest

from stock_platform.spark.local import LocalSparkRunner
from stock_platform.spark.sail import SailRunner
from stock_platform_tests.support.raw_lake import (
    KEYS,
    RawLake,
    changes_of,
    files_of,
    metrics_of,
    raw_line,
    split,
    table_of,
)
from stock_platform_tests.unit.spark_jobs.test_reasons import REJECTED


def messy(lake):
    """Sessions with every defect, duplicates, splits and actions; one empty, one whole."""
    times = (
        "2026-11-22T21:00:00Z",
        "2026-11-23T21:00:00.000001+00:00",
        "2026-11-23T23:00:00+02:00",
    )
    lake.add(
        "2012-01-03",
        *(line for _, line in REJECTED.values()),
        *(raw_line(fetched_at=at, bar_fields={"volume": n}) for n, at in enumerate(times)),
        raw_line(
            "MSFT", dividend=0.2, dividend_currency="EUR", capital_gain=0.1, fetched_at=times[0]
        ),
        raw_line("MSFT", dividend=0.3, split={"numerator": 3, "denominator": 2}),
        raw_line("NA", outcome="throttled", bar=None, dividend=-1),
        raw_line("NA", bar_fields={"adj_close": 0, "volume": 12.5}, dividend=0.2),
    )
    ratios = [split(7, 1), split(4, 1, "2020-08-31"), split(1, 3, "2022-01-03")]
    bar = {"open": 14.621429, "high": 14.732143, "low": 14.607143, "close": 14.686786}
    lake.add(
        "2012-01-04",
        raw_line("NA", "2012-01-04", later_splits=ratios, dividend=0.1, bar_fields=bar),
        raw_line("AAPL", "2012-01-04", later_splits=ratios[:1], bar_fields=bar | {"volume": 7}),
        raw_line("MSFT", "2012-01-04", outcome="no_session", bar=None),
        '  {"symbol": "AAPL"}\r',
        "\ufeff{}",
        "é \u2028 \x85",
    )
    lake.add("2012-01-05")
    restated = raw_line("MSFT", "2012-01-06", fetched_at=times[0], dividend=0.2)
    lake.add("2012-01-06", restated, raw_line("AAPL", "2012-01-06", fetched_at=times[0]), run="b")
    lake.add(
        "2012-01-06",
        raw_line("AAPL", "2012-01-06", outcome="throttled", bar=None, fetched_at=times[1]),
        "junk",
        run="c",
    )
    return lake.add("2012-01-06", *(raw_line(symbol, "2012-01-06") for symbol in ("MSFT", "AAPL")))


def changed(lake):
    """Later answers to the sessions of `messy`, whose runs are forgotten."""

    def later(symbol, session, **fields):
        return raw_line(symbol, session, **{"fetched_at": "2026-11-25T21:00:00Z"} | fields)

    lake.forget()
    lake.add(
        "2012-01-03",
        raw_line(fetched_at="2026-11-25T21:00:00Z", bar_fields={"volume": 2}),
        later("MSFT", "2012-01-03", dividend=0.4, capital_gain=0.1),
        later("NA", "2012-01-03", outcome="not_listed", bar=None),
        "junk",
    )
    lake.add(
        "2012-01-04",
        later("NA", "2012-01-04", bar_fields={"high": 1.0}),
        later("AAPL", "2012-01-04", security_id="é", dividend=0.5),
        later("MSFT", "2012-01-04"),
        "é \u2028 \x85",
    )
    return lake.add("2012-01-06", later("GOOG", "2012-01-06", security_id="ID-AAPL"))


def assert_equal(sail, spark):
    assert metrics_of(sail)["sessions"] == metrics_of(spark)["sessions"]
    for table in KEYS:
        assert list(files_of(sail, table)) == list(files_of(spark, table))
        ours, theirs = table_of(sail, table), table_of(spark, table)
        assert ours.to_pylist() == theirs.to_pylist()
        assert ours.schema.types == theirs.schema.types


@pytest.mark.integration
def test_sail_and_classic_spark_agree(tmp_path):
    lake = messy(RawLake(tmp_path))
    sail, spark = lake.batch("sail"), lake.batch("spark")
    SailRunner().run(sail, print)
    LocalSparkRunner().run(spark, print)
    assert_equal(sail, spark)
    measured = metrics_of(sail)["sessions"]["2012-01-03"]
    reasons = {reason for reason, _ in REJECTED.values()}
    assert set(measured["quarantined"]) == reasons | {"duplicate"}
    assert pc.sum(table_of(spark, "stock_prices")["Volume"]).as_py() > 0

    # Each engine reads the versions of the other one.
    changed(lake)
    sail_again = lake.batch("sail-again", base=[spark])
    spark_again = lake.batch("spark-again", base=[sail])
    SailRunner().run(sail_again, print)
    LocalSparkRunner().run(spark_again, print)
    assert_equal(sail_again, spark_again)
    changes = {
        table: {
            change
            for session in ("2012-01-03", "2012-01-04", "2012-01-06")
            for change in changes_of(sail_again, table, session)
        }
        for table in KEYS
    }
    assert changes == {
        "stock_prices": {"new", "restated", "withdrawn", "unchanged", "kept_earlier"},
        "corporate_actions": {"new", "restated", "withdrawn", "unchanged", "kept_earlier"},
        "quarantine": {"new", "withdrawn", "unchanged"},
    }
