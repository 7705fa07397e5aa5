"""The next night alone catches up on nights whose process died between two steps."""

import pytest

from stock_platform_tests.faults.conftest import interrupted, load, require_equal, require_swept
from stock_platform_tests.support.crashes import KILLED, in_process
from stock_platform_tests.support.platform_fixture import Platform

pytestmark = pytest.mark.faults

NIGHTS = ("2012-12-27", "2012-12-28", "2012-12-31", "2013-01-02")
NEXT = NIGHTS[-1]
RAW_ONLY = "event STEP_START processed_stock_prices"
COMMITTED = "event STEP_START facts"


def die(folder, night, step):
    """Run a night in a process that is killed when it starts a step."""

    def run(platform: Platform) -> None:
        platform.run("daily_stock_prices", night)

    assert in_process(lambda: interrupted(folder, run, step)) == KILLED


def catch_up(folder):
    with Platform(folder) as platform:
        assert platform.run("daily_stock_prices", NEXT).success


@pytest.mark.parametrize(
    "steps",
    [(RAW_ONLY,), (RAW_ONLY, RAW_ONLY, RAW_ONLY), (RAW_ONLY, COMMITTED, RAW_ONLY)],
    ids=["one night", "three nights", "three nights, one of them committed"],
)
def test_next_night_catches_up(copies, expected, steps):
    folder = copies.new()
    intact = NIGHTS[: -1 - len(steps)]
    if intact:
        assert in_process(lambda: load(folder, intact[0], intact[-1])) == 0
    for night, step in zip(NIGHTS[len(intact) :], steps, strict=False):
        die(folder, night, step)
    assert in_process(lambda: catch_up(folder)) == 0
    with Platform(folder) as platform:
        require_equal(platform, expected)
        require_swept(platform)
