"""What is read of the lake for the rules: who is expected, what is settled, what is due."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pandas as pd
import pytest

from stock_platform.lake import files
from stock_platform.lake.paths import LakePaths
from stock_platform.limits import QualityLimits
from stock_platform.quality.measures import lake
from stock_platform.quality.measures.lake import newest_prices, raw_sessions
from stock_platform.quality.rules.raw import Newest
from stock_platform_tests.platform import SAMPLE_COMPANIES

LIMITS = QualityLimits()
START = date(2000, 3, 1)
# 3 July 2012 was a half day in New York, and the 4th a holiday there and none in London.
HALF_DAY, HOLIDAY = "2012-07-03", "2012-07-04"


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


def put(paths, session, *lines):
    content = b"\n".join(orjson.dumps({"session_date": session, **line}) for line in lines)
    files.write(paths.raw_prices(session), gzip.compress(content))
    fetch = {it["symbol"]: {name: it[name] for name in ("outcome", "fetched_at")} for it in lines}
    files.write(paths.last_fetch(session), orjson.dumps(fetch))


def line(symbol, outcome="ok", fetched_at="2026-01-01T00:00:00+00:00", exchange="XNAS"):
    return {"symbol": symbol, "outcome": outcome, "exchange": exchange, "fetched_at": fetched_at}


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # The half day ended in New York at 04:00 UTC on the day after: due twelve hours later.
        (datetime(2012, 7, 4, 15, 59, tzinfo=UTC), ()),
        (datetime(2012, 7, 4, 16, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 5, 23, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 6, 16, tzinfo=UTC), (HALF_DAY, "2012-07-05")),
    ],
)
def test_a_session_is_due_so_many_hours_after_its_day_ended(paths, now, due):
    put(paths, "2012-07-02", line("A"))
    measured = newest_prices(paths, ("XNYS", "XNAS"), (START, None), now, LIMITS)
    assert (measured.newest, measured.due) == ("2012-07-02", due)


def test_nothing_is_due_after_the_last_day_of_the_deployment(paths):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    put(paths, "2012-07-02", line("A"))
    last = newest_prices(paths, ("XNYS",), (START, date(2012, 7, 2)), now, LIMITS)
    assert last.due == ()


def test_of_an_empty_lake_nothing_is_due_so_a_new_platform_calls_nobody(paths):
    saturday = datetime(2012, 7, 7, 23, tzinfo=UTC)
    assert newest_prices(paths, ("XNYS",), (START, None), saturday, LIMITS) == Newest((), None)


def test_nothing_is_due_before_the_first_day_of_the_deployment(paths):
    """Of a lake that another deployment began: such a session cannot be asked for."""
    put(paths, "2012-06-01", line("A"))
    now = datetime(2012, 7, 6, 16, tzinfo=UTC)
    first = date(2012, 7, 5)
    assert newest_prices(paths, ("XNYS",), (first, None), now, LIMITS).due == ("2012-07-05",)
    tomorrow = date(2012, 7, 7)
    assert newest_prices(paths, ("XNYS",), (tomorrow, None), now, LIMITS).due == ()


def test_a_hole_before_the_newest_session_is_late(paths):
    for session in ("2012-07-02", "2012-07-06"):
        put(paths, session, line("A"))
    now = datetime(2012, 7, 7, 23, tzinfo=UTC)
    assert newest_prices(paths, ("XNYS",), (START, None), now, LIMITS).due == (
        HALF_DAY,
        "2012-07-05",
    )


@pytest.mark.parametrize("stranger", ["date=2012-07-05.bak", "date=0tmp", "date=20120705"])
def test_a_foreign_folder_is_no_session(paths, stranger):
    put(paths, "2012-07-02", line("A"))
    Path(paths.raw_prices_folder(), stranger).mkdir()
    now = datetime(2012, 7, 4, 16, tzinfo=UTC)
    measured = newest_prices(paths, ("XNYS",), (START, None), now, LIMITS)
    assert (measured.newest, measured.due) == ("2012-07-02", (HALF_DAY,))


def test_nothing_is_due_before_its_partition_can_be_run(paths):
    put(paths, "2012-07-09", line("A"))
    # Tokyo closed at 06:00 UTC on the 10th, whose partition begins to exist at 04:00 on the 11th.
    now = datetime(2012, 7, 11, 5, 30, tzinfo=UTC)
    assert newest_prices(paths, ("XTKS", "XNYS"), (START, None), now, LIMITS).due == ()


@pytest.fixture
def universe(platform):
    london = SAMPLE_COMPANIES[0].replace("AAPL", "VOD.L").replace("XNAS", "XLON")
    london = london.replace("C-0001", "C-0009")
    platform.drop_companies(*SAMPLE_COMPANIES[:2], london)
    platform.materialize_assets("raw_erp_exchanges", "raw_erp_companies")
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


def test_an_early_bar_of_an_exchange_without_active_company_is_seen(universe):
    put(universe, HALF_DAY, line("7203.T", fetched_at="2012-07-03T05:59:00+00:00", exchange="XTKS"))
    assert raw_sessions(universe, [HALF_DAY])[HALF_DAY].early == {"7203.T"}


def test_an_unchanged_answer_after_the_close_confirms_an_early_bar(universe):
    early = line("AAPL", fetched_at="2012-07-03T15:00:00+00:00")
    put(universe, HALF_DAY, early)
    again = {"AAPL": {"outcome": "ok", "fetched_at": "2012-07-03T20:00:00+00:00"}}
    files.write(universe.last_fetch(HALF_DAY), orjson.dumps(again))
    assert raw_sessions(universe, [HALF_DAY])[HALF_DAY].early == frozenset()


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("ohlc_inconsistent", {"High": 9.0}),
        ("ohlc_inconsistent", {"Low": 11.0}),
        ("non_positive_price", {"Open": 0.0, "Low": 0.0}),
        ("negative_volume", {"Volume": -1}),
        ("null_bar", {"Close": None}),
        ("duplicate", None),
    ],
)
def test_a_published_bar_that_should_have_been_quarantined_is_found(reason, changed):
    names = ("Open", "High", "Low", "Close")
    bar = {"Ticker": "A", "Session": HALF_DAY, "Volume": 1.0, **dict.fromkeys(names, 10.0)}
    good = {**bar, "Ticker": "B"}
    bad = [{**bar, **changed}] if changed else [bar, bar]
    broken = lake._broken_bars(pd.DataFrame([good, *bad]))  # noqa: SLF001
    assert broken[HALF_DAY][reason] == ("A: published",)
    assert set(broken[HALF_DAY]) == {reason}
