"""Recorded Yahoo responses, where a folder `../shared/data` has them."""

import json
import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import pytest

from stock_platform.market_data.chart import ChartError, Split, read_chart
from stock_platform.market_data.classify import FetchFailure, classify_response
from stock_platform.market_data.models import HttpResponseRecord, Outcome
from stock_platform_tests.support import ROOT

FOLDER = ROOT.parent / "shared" / "data" / "yahoo_chart"
INDEX = FOLDER / "index.json"
pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="needs the recorded responses")
URL = "https://query2.finance.yahoo.com/v8/finance/chart/X?period1=1&period2=2"

# Edited by upstream, or intraday: not daily charts.
UNREADABLE = {
    "yf2_chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json": "bars of 1m",
    "yf2_chart-notimestamp-quotes-length.fake.json": "0 timestamps",
    "yf2_chart-notimestamp-weird-quote.fake.json": "0 timestamps",
}


def recorded_charts():
    rows = json.loads(INDEX.read_text()) if INDEX.exists() else []
    return [pytest.param(row, id=row["file"]) for row in rows if row["summary"]["kind"] == "chart"]


def fetch_time(recorded_at):
    """``recorded_at`` is an HTTP date, an upper bound in ISO 8601, or a day."""
    iso = re.search(r"\d{4}-\d\d-\d\d(T[\d:+-]+)?", recorded_at)
    found = datetime.fromisoformat(iso[0]) if iso else parsedate_to_datetime(recorded_at)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read(row):
    return read_chart((FOLDER / row["file"]).read_bytes(), fetch_time(row["recorded_at"]))


@pytest.mark.parametrize("row", recorded_charts())
def test_recorded_chart_matches_manifest(row):
    if reason := UNREADABLE.get(row["file"]):
        with pytest.raises(ChartError, match=reason):
            read(row)
        return
    chart, summary = read(row), row["summary"]
    assert (chart.symbol, chart.currency) == (summary["symbol"], summary["currency"])
    assert chart.timezone == summary["tz"]
    assert len(chart.bars) == summary["rows"]
    assert [bar.close for bar in chart.bars.values()].count(None) == summary["null_closes"]
    assert len(chart.dividends) == summary["events"].get("dividends", 0)
    assert len(chart.splits) == summary["events"].get("splits", 0)
    live = max(chart.bars) if summary["last_row_is_live_bar"] else None
    assert chart.live_session == live


@pytest.mark.parametrize(
    ("name", "status", "outcome"),
    [
        ("error_404_delisted.json", 404, Outcome.UNKNOWN_SYMBOL),
        ("error_400_no_data_in_range.json", 400, Outcome.NULL_BAR),
        ("error_422_intraday_range.json", 422, Outcome.UPSTREAM_ERROR),
        ("error_429_edge.txt", 429, Outcome.THROTTLED),
        ("error_429_plain.txt", 429, Outcome.THROTTLED),
        ("yf2_quote-AAPL.json", 200, Outcome.UPSTREAM_ERROR),
    ],
)
def test_recorded_error_gets_its_outcome(name, status, outcome):
    answer = HttpResponseRecord(URL, status, datetime.now(UTC), (FOLDER / name).read_bytes())
    failure = classify_response("X", answer)
    assert isinstance(failure, FetchFailure)
    assert failure.outcome is outcome


def test_recorded_ibm_splits_have_ex_dates():
    chart = read_chart((FOLDER / "pricehist_ibm-long-partial.json").read_bytes(), datetime.now(UTC))
    assert chart.first_trade_date == date(1962, 1, 2)
    assert chart.splits[date(1999, 5, 27)] == Split(2.0, 1.0)
