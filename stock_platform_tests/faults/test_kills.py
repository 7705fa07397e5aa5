"""A killed process loses nothing and doubles nothing: the next run gives the same tables."""

import json
from pathlib import Path

import pytest

from stock_platform_tests.faults.conftest import (
    FIRST,
    LAST,
    Copies,
    load,
    require_equal,
    require_swept,
)
from stock_platform_tests.support.crashes import KILLED, Boundaries, in_process
from stock_platform_tests.support.platform_fixture import Platform

pytestmark = pytest.mark.faults

POINTS = 104


def killed_load(folder: Path, kill_at: int | None, names: Path | None = None) -> None:
    """Load the range in a process that is killed at a boundary; without one, write their names."""
    with Platform(folder) as platform:
        boundaries = Boundaries(folder, kill_at)
        boundaries.install(platform.instance)
        platform.run("daily_stock_prices", FIRST, LAST)
    if names:
        names.write_text(json.dumps(boundaries.names))


@pytest.fixture(scope="module")
def boundaries(copies: Copies) -> list[int]:
    """The numbers of evenly distributed boundaries, from the start of the first step."""
    folder = copies.new()
    names = folder / "names.json"
    assert in_process(lambda: killed_load(folder, None, names)) == 0
    found = json.loads(names.read_text())
    first = found.index("event STEP_START")
    assert len(found) - first >= POINTS, found
    return [first + 1 + n * (len(found) - first) // POINTS for n in range(POINTS)]


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_run_is_made_up_for(copies, expected, boundaries, point):
    folder = copies.new()
    assert in_process(lambda: killed_load(folder, boundaries[point])) == KILLED
    assert in_process(lambda: load(folder)) == 0
    with Platform(folder) as platform:
        require_equal(platform, expected)
        require_swept(platform)
