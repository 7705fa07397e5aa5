"""Sessions are due when their prices should exist."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from stock_platform.lake.paths import LakePaths
from stock_platform.quality.measures.freshness import price_freshness
from stock_platform.quality.rules.raw import Freshness
from stock_platform.settings.quality import QualityLimits
from stock_platform_tests.support.raw_runs import store_run

# 3 July 2012 was a half day in New York, and the 4th a holiday.
BEFORE, HALF_DAY, AFTER = "2012-07-02", "2012-07-03", "2012-07-05"
EVENING = datetime(2012, 7, 7, 23, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


def freshness(paths, *sessions, now=EVENING, first=date(2000, 3, 1), last=None, mics=("XNYS",)):
    """The freshness of a lake with these sessions."""
    for session in sessions:
        store_run(paths, sessions=[session])
    return price_freshness(paths, mics, (first, last), now, QualityLimits())


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # The half day ended in New York at 04:00 UTC on the day after: due twelve hours later.
        (datetime(2012, 7, 4, 15, 59, tzinfo=UTC), ()),
        (datetime(2012, 7, 4, 16, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 5, 23, tzinfo=UTC), (HALF_DAY,)),
        (datetime(2012, 7, 6, 16, tzinfo=UTC), (HALF_DAY, AFTER)),
    ],
)
def test_session_is_due_hours_after_its_day(paths, now, due):
    found = freshness(paths, BEFORE, now=now, mics=("XNYS", "XNAS"))
    assert (found.newest, found.due) == (BEFORE, due)


def test_nothing_is_due_after_the_last_day(paths):
    assert freshness(paths, BEFORE, last=date(2012, 7, 2)).due == ()


def test_nothing_is_due_in_an_empty_lake(paths):
    assert freshness(paths) == Freshness((), None)


@pytest.mark.parametrize(("first", "due"), [(date(2012, 7, 5), (AFTER,)), (date(2012, 7, 7), ())])
def test_nothing_is_due_before_the_first_day(paths, first, due):
    """In a lake that was begun by another deployment: such a session cannot be requested."""
    now = datetime(2012, 7, 6, 16, tzinfo=UTC)
    assert freshness(paths, "2012-06-01", now=now, first=first).due == due


def test_gap_before_the_newest_session_is_due(paths):
    assert freshness(paths, BEFORE, "2012-07-06").due == (HALF_DAY, AFTER)


@pytest.mark.parametrize(
    "folder", ["date=2012-07-03", "run=x", "run=20120704T000000Z_2012-07-03_2012-07-03_dead"]
)
def test_folder_without_a_complete_run_is_not_a_session(paths, folder):
    Path(paths.raw_runs_folder(), folder).mkdir(parents=True)
    found = freshness(paths, BEFORE, now=datetime(2012, 7, 4, 16, tzinfo=UTC))
    assert (found.newest, found.due) == (BEFORE, (HALF_DAY,))


def test_unusable_run_makes_no_earlier_session_due(paths):
    unfinished = "run=20120704T000000Z_2012-06-27_2012-06-29_dead"
    Path(paths.raw_runs_folder(), unfinished).mkdir(parents=True)
    store_run(paths, sessions=["2012-06-26"], refused=["2012-06-26 source_responded: all failed"])
    assert freshness(paths, BEFORE, now=datetime(2012, 7, 4, 16, tzinfo=UTC)).due == (HALF_DAY,)


def test_session_of_a_refused_run_is_due(paths):
    store_run(paths, sessions=[HALF_DAY], refused=["2012-07-03 source_responded: all failed"])
    found = freshness(paths, BEFORE, now=datetime(2012, 7, 4, 16, tzinfo=UTC))
    assert (found.newest, found.due) == (BEFORE, (HALF_DAY,))


def test_all_sessions_of_a_range_count(paths):
    store_run(paths, sessions=[BEFORE, HALF_DAY, AFTER])
    assert (freshness(paths).newest, freshness(paths).due) == (AFTER, ("2012-07-06",))


def test_session_without_a_partition_is_not_due(paths):
    # Tokyo closed at 06:00 UTC on the 10th, whose partition begins to exist at 04:00 on the 11th.
    now = datetime(2012, 7, 11, 5, 30, tzinfo=UTC)
    assert freshness(paths, "2012-07-09", now=now, mics=("XTKS", "XNYS")).due == ()
