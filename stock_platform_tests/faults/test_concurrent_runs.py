"""Two runs at the same time, as of two machines, give what one run after the other gives.

One run is paused at a boundary until the other one has ended, or waits for it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock, Timeout

from stock_platform.settings.deployment import SAMPLE_END
from stock_platform_tests.faults.conftest import (
    ASSETS,
    FIRST,
    LAST,
    Copies,
    boundary_numbers,
    interrupted,
    load_committed,
    require_equal,
    require_equal_tables,
    require_swept,
    tables,
)
from stock_platform_tests.support.crashes import Fork, in_process, pause
from stock_platform_tests.support.local_yahoo import SampleYahoo, served
from stock_platform_tests.support.platform_fixture import Platform

pytestmark = pytest.mark.faults

POINTS = 12
# For runs whose answers differ.
FEWER_POINTS = 8
# Opened by whoever waits for the warehouse.
LOCK = "w.duckdb.lock"


def run_of(first: str, last: str, yahoo: SampleYahoo | None = None) -> Callable[[Platform], None]:
    """Return a load of a range, with the bundled sample or a local Yahoo."""

    def run(platform: Platform) -> None:
        if yahoo:
            platform.use_yahoo(yahoo.url, end_date=SAMPLE_END)
        assert platform.materialize(*ASSETS, first=first, last=last, checks=False).success

    return run


EARLIER = run_of(FIRST, "2012-12-31")
LATER = run_of("2012-12-28", LAST)


def is_loading(folder: Path) -> bool:
    """Whether a process has locked the warehouse."""
    try:
        with FileLock(folder / LOCK, blocking=False):
            return False
    except Timeout:
        return True


def run_both(
    folder: Path,
    paused: Callable[[Platform], None],
    boundary: int,
    other: Callable[[Platform], None],
    between: Callable[[], None] = lambda: None,
) -> None:
    """Pause a run at a boundary, let another one end or wait, and go on with the first."""
    with Fork(lambda: interrupted(folder, paused, boundary, pause)) as first:
        assert first.wait() is None
        between()
        waits_at = f"open {LOCK}" if is_loading(folder) else None
        with Fork(lambda: interrupted(folder, other, waits_at, pause)) as second:
            ended = second.wait()
            assert (ended is None) == (waits_at is not None)
            first.resume()
            if ended is None:
                second.resume()
                ended = second.wait()
            statuses = [first.wait(), ended]
    # A load fails if another one has applied the same batches meanwhile.
    assert 0 in statuses
    if any(statuses):
        assert in_process(lambda: load_committed(Platform(folder))) == 0


@pytest.fixture(scope="module")
def boundaries(copies: Copies) -> list[int]:
    return boundary_numbers(copies.new(), EARLIER, POINTS)


@pytest.mark.parametrize("point", range(POINTS))
def test_overlapping_ranges_give_one_result(copies, expected, boundaries, point):
    folder = copies.new()
    run_both(folder, EARLIER, boundaries[point], LATER)
    with Platform(folder) as platform:
        require_equal(platform, expected)
        require_swept(platform)


@pytest.fixture(scope="module")
def yahoo() -> Iterator[SampleYahoo]:
    with served(SampleYahoo()) as local:
        yield local


@pytest.fixture(scope="module")
def whole_range(copies: Copies, yahoo: SampleYahoo) -> tuple[Callable[[Platform], None], list[int]]:
    """The run of the whole range, and its boundaries."""
    run = run_of(FIRST, LAST, yahoo)
    return run, boundary_numbers(copies.new(), run, FEWER_POINTS)


@pytest.fixture(scope="module")
def newest(copies: Copies, yahoo: SampleYahoo) -> dict[str, pd.DataFrame]:
    """The tables after a run that has the newer answers."""
    folder = copies.new()
    yahoo.volume_factor = 2
    assert in_process(lambda: run_of(FIRST, LAST, yahoo)(Platform(folder))) == 0
    return tables(Platform(folder))


@pytest.mark.parametrize("point", range(FEWER_POINTS))
def test_newer_answer_stays_whoever_ends_last(copies, newest, yahoo, whole_range, point):
    def change_answers() -> None:
        yahoo.volume_factor = 2

    folder = copies.new()
    run, boundaries = whole_range
    yahoo.volume_factor = 1
    run_both(folder, run, boundaries[point], run, change_answers)
    with Platform(folder) as platform:
        require_equal_tables(platform, newest)
        require_swept(platform)
