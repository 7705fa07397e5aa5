"""A job that was killed is run again, and then nothing is lost, doubled or left over."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from stock_platform.lake.processed import part_uri, read_state
from stock_platform_tests.faults.conftest import (
    FIRST,
    LAST,
    Copies,
    boundary_numbers,
    interrupted,
    load,
    load_committed,
    require_equal,
    require_restorable,
    require_swept,
)
from stock_platform_tests.support.crashes import KILLED, in_process
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, Platform

pytestmark = pytest.mark.faults

POINTS = 12
ADDED = SAMPLE_COMPANIES[0]
SYMBOL = ADDED.split(",")[1]


@dataclass(frozen=True)
class Job:
    """A job, a platform on which it has something to do, and its boundaries."""

    run: Callable[[Platform], Any]
    copies: Copies
    boundaries: list[int]


def backfill(platform: Platform) -> Any:
    """Add the history of one security."""
    config = {"fetch_securities": {"symbols": [SYMBOL]}}
    return platform.run("backfill_securities", config=config)


def rebuild(platform: Platform) -> Any:
    """Make damaged parts again."""
    return platform.run("rebuild_processed_prices")


def maintain(platform: Platform) -> Any:
    """Compact each year that has two parts, and sweep."""
    with patch("stock_platform.lake.compaction._MIN_PARTS", 2):
        return platform.run("maintain_processed_prices")


def prepare_backfill(folder: Path) -> None:
    """Load the prices of all companies but one, which the ERP adds afterwards."""
    with Platform(folder) as platform:
        platform.load_dimensions(*SAMPLE_COMPANIES[1:])
        load(folder)
        platform.drop_companies(*SAMPLE_COMPANIES)
        assert platform.run("erp_load").success


def prepare_rebuild(folder: Path) -> None:
    """Damage one part of two batches, and lose one."""
    load(folder, FIRST, "2012-12-28")
    load(folder, "2012-12-31", LAST)
    with Platform(folder) as platform:
        state = read_state(platform.paths)
        damaged, lost, *_ = [part_uri(platform.paths, p) for p in state.parts("stock_prices")]
        Path(damaged).write_bytes(Path(damaged).read_bytes()[:-1])
        Path(lost).unlink()


def prepare_maintenance(folder: Path) -> None:
    """Load two batches of one year, beside objects that old batches have left behind."""
    load(folder, FIRST, "2012-12-28")
    load(folder, "2012-12-31", LAST)
    processed = folder / "lake" / "processed"
    for name in ("stock_prices/year=2012/left.parquet", "_staging/left/over/request.json"):
        file = processed / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"left over")
        os.utime(file, (0, 0))


def prepared(
    copies: Copies, run: Callable[[Platform], Any], prepare: Callable[[Path], None]
) -> Job:
    """Prepare a platform, and count the boundaries of a job on a copy of it."""
    template = copies.new()
    assert in_process(lambda: prepare(template)) == 0
    folder = copies.folder / run.__name__
    folder.mkdir()
    own = Copies(template, folder)
    return Job(run, own, boundary_numbers(own.new(), run, POINTS))


@pytest.fixture(scope="module")
def backfilling(copies: Copies, tmp_path_factory: pytest.TempPathFactory) -> Job:
    empty = tmp_path_factory.mktemp("empty")
    return prepared(Copies(empty, copies.folder / "empty"), backfill, prepare_backfill)


@pytest.fixture(scope="module")
def rebuilding(copies: Copies) -> Job:
    return prepared(copies, rebuild, prepare_rebuild)


@pytest.fixture(scope="module")
def maintaining(copies: Copies) -> Job:
    return prepared(copies, maintain, prepare_maintenance)


def kill_and_repeat(job: Job, point: int) -> Platform:
    """Kill a job, run it again, load, and return the platform."""
    folder = job.copies.new()
    assert in_process(lambda: interrupted(folder, job.run, job.boundaries[point])) == KILLED

    def repeat() -> None:
        with Platform(folder) as platform:
            assert job.run(platform).success
            load_committed(platform)

    assert in_process(repeat) == 0
    return Platform(folder)


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_backfill_is_run_again(expected, backfilling, point):
    with kill_and_repeat(backfilling, point) as platform:
        require_equal(platform, expected)
        require_swept(platform)


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_rebuild_is_run_again(expected, rebuilding, point):
    with kill_and_repeat(rebuilding, point) as platform:
        require_restorable(platform, expected)
        require_swept(platform)


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_maintenance_is_run_again(expected, maintaining, point):
    with kill_and_repeat(maintaining, point) as platform:
        require_restorable(platform, expected)
        assert len(read_state(platform.paths).parts("stock_prices", [FIRST])) == 1
        require_swept(platform)
