"""What is read of the lake for the rules: who is expected, what is settled, what is due."""

import gzip
from datetime import UTC, date, datetime

import orjson
import pytest

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths
from stock_platform.limits import QualityLimits
from stock_platform.quality.measures.lake import newest_prices, raw_sessions
from stock_platform_tests.platform import SAMPLE_COMPANIES

LIMITS = QualityLimits()
# 3 July 2012 was a half day in New York, and the 4th a holiday there and none in London.
HALF_DAY, HOLIDAY = "2012-07-03", "2012-07-04"


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


def put(paths, session, *lines):
    content = b"\n".join(orjson.dumps({"session_date": session, **line}) for line in lines)
    files.write(paths.raw_prices(session), gzip.compress(content))
    fetch = {line["symbol"]: line["outcome"] for line in lines}
    files.write(paths.last_fetch(session), orjson.dumps(fetch))


def line(symbol, outcome="ok", fetched_at="2026-01-01T00:00:00+00:00", exchange="XNAS"):
    return {"symbol": symbol, "outcome": outcome, "exchange": exchange, "fetched_at": fetched_at}


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # The half day closed at 17:00 UTC, so it is due at 05:00 on the day after.
        (datetime(2012, 7, 4, 4, 59, tzinfo=UTC), ()),
        (datetime(2012, 7, 4, 5, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 5, 23, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 6, 8, tzinfo=UTC), (HALF_DAY, "2012-07-05")),
    ],
)
def test_a_session_is_due_so_many_hours_after_its_own_close(paths, now, due):
    put(paths, "2012-07-02", line("A"))
    measured = newest_prices(paths, ("XNYS", "XNAS"), None, now, LIMITS)
    assert (measured.newest, measured.due) == ("2012-07-02", due)


def test_nothing_is_due_after_the_last_day_of_the_deployment(paths):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    put(paths, "2012-07-02", line("A"))
    last = newest_prices(paths, ("XNYS",), date(2012, 7, 2), now, LIMITS)
    assert last.due == ()


def test_an_empty_lake_lacks_the_last_session(paths):
    now = datetime(2012, 7, 4, 12, tzinfo=UTC)
    measured = newest_prices(paths, ("XNYS",), date(2012, 7, 3), now, LIMITS)
    assert (measured.newest, measured.due) == (None, (HALF_DAY,))


@pytest.fixture
def universe(platform):
    london = SAMPLE_COMPANIES[0].replace("AAPL", "VOD.L").replace("XNAS", "XLON")
    platform.drop_companies(*SAMPLE_COMPANIES[:2], london)
    platform.materialize_assets("raw_erp_companies")
    return platform.paths


def test_only_symbols_whose_exchange_was_open_are_expected(universe):
    for session in (HALF_DAY, HOLIDAY):
        put(universe, session, line("AAPL"))
    measured = raw_sessions(universe, [HALF_DAY, HOLIDAY])
    assert measured[HALF_DAY].expected == {"AAPL", "FB", "VOD.L"}
    assert measured[HOLIDAY].expected == {"VOD.L"}


def test_a_line_that_takes_an_open_day_for_a_closed_one_is_no_line(universe):
    put(universe, HALF_DAY, line("AAPL"), line("FB", "no_session"))
    assert raw_sessions(universe, [HALF_DAY])[HALF_DAY].lines == {"AAPL"}


def test_live_bars_and_bars_from_before_the_close_are_told_apart(universe):
    put(
        universe,
        HALF_DAY,
        line("AAPL", fetched_at="2012-07-03T16:59:00+00:00"),
        line("FB", "live_bar"),
        line("VOD.L", fetched_at="2012-07-03T17:00:00+00:00", exchange="XLON"),
    )
    measured = raw_sessions(universe, [HALF_DAY])[HALF_DAY]
    assert (measured.early, measured.live) == ({"AAPL"}, {"FB"})
