"""A killed process loses nothing and doubles nothing: the next run gives the same tables."""

import pytest

from stock_platform_tests.faults.conftest import (
    FIRST,
    LAST,
    Copies,
    boundary_numbers,
    interrupted,
    load,
    require_equal,
    require_swept,
)
from stock_platform_tests.support.crashes import KILLED, in_process
from stock_platform_tests.support.platform_fixture import Platform

pytestmark = pytest.mark.faults

POINTS = 100


def load_daily(platform: Platform) -> None:
    """Run the nightly job for the range, with all checks."""
    platform.run("daily_stock_prices", FIRST, LAST)


@pytest.fixture(scope="module")
def boundaries(copies: Copies) -> list[int]:
    return boundary_numbers(copies.new(), load_daily, POINTS)


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_run_is_made_up_for(copies, expected, boundaries, point):
    folder = copies.new()
    assert in_process(lambda: interrupted(folder, load_daily, boundaries[point])) == KILLED
    assert in_process(lambda: load(folder)) == 0
    with Platform(folder) as platform:
        require_equal(platform, expected)
        require_swept(platform)
