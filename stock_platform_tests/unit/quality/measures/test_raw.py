"""Expected symbols, recorded symbols and unfinished bars of raw sessions."""

import gzip

import orjson
import pytest

from stock_platform.lake import files
from stock_platform.quality.measures.raw import measure_raw_sessions
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES

# 3 July 2012 was a half day in New York; the 4th was a holiday there but not in London.
HALF_DAY, HOLIDAY = "2012-07-03", "2012-07-04"


def record(symbol, outcome="ok", fetched_at="2026-01-01T00:00:00+00:00", exchange="XNAS"):
    return {"symbol": symbol, "outcome": outcome, "exchange": exchange, "fetched_at": fetched_at}


@pytest.fixture
def paths(platform):
    london = SAMPLE_COMPANIES[0].replace("AAPL", "VOD.L").replace("XNAS", "XLON")
    london = london.replace("C-0001", "C-0009")
    platform.drop_companies(*SAMPLE_COMPANIES[:2], london)
    platform.materialize_assets("raw_erp_exchanges", "raw_erp_companies")
    return platform.paths


def measured(paths, *records, session=HALF_DAY, last_fetch=None):
    """The measurement of a session with these records."""
    lines = [orjson.dumps({"session_date": session, **each}) for each in records]
    files.write(paths.raw_prices(session), gzip.compress(b"\n".join(lines)))
    last_fetch = last_fetch or {each["symbol"]: each for each in records}
    files.write(paths.last_fetch(session), orjson.dumps(last_fetch))
    return measure_raw_sessions(paths, [session])[session]


def test_symbols_are_expected_if_their_exchange_was_open(paths):
    for session in (HALF_DAY, HOLIDAY):
        measured(paths, record("AAPL"), session=session)
    found = measure_raw_sessions(paths, [HALF_DAY, HOLIDAY])
    assert found[HALF_DAY].expected == {"AAPL", "FB", "VOD.L"}
    assert found[HOLIDAY].expected == {"VOD.L"}


def test_open_day_recorded_as_closed_is_missing(paths):
    assert measured(paths, record("AAPL"), record("FB", "no_session")).recorded == {"AAPL"}


def test_live_bars_differ_from_early_bars(paths):
    found = measured(
        paths,
        record("AAPL", fetched_at="2012-07-03T16:59:00+00:00"),
        record("FB", "live_bar"),
        record("VOD.L", fetched_at="2012-07-03T17:00:00+00:00", exchange="XLON"),
    )
    assert (found.early, found.live) == ({"AAPL"}, {"FB"})


def test_early_bar_of_another_exchange_is_found(paths):
    """The exchange has no active company."""
    early = record("7203.T", fetched_at="2012-07-03T05:59:00+00:00", exchange="XTKS")
    assert measured(paths, early).early == {"7203.T"}


def test_later_fetch_confirms_an_early_bar(paths):
    early = record("AAPL", fetched_at="2012-07-03T15:00:00+00:00")
    confirmed = {"AAPL": {"outcome": "ok", "fetched_at": "2012-07-03T20:00:00+00:00"}}
    assert measured(paths, early, last_fetch=confirmed).early == frozenset()
