"""Compaction changes no row, and removes what nothing lists."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stock_platform.lake import compaction
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import part_uri, read_state
from stock_platform.lake.versions import batch_rows, current_rows
from stock_platform_tests.support.commits import add_batch, price

DAYS = [f"2012-01-{day:02}" for day in (3, 4, 5, 6, 9, 10, 11, 12, 13)]
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path):
    """A lake with nine nights of two securities, and a restatement of the first one."""
    lake = LakePaths(str(tmp_path))
    for number, day in enumerate(DAYS):
        rows = [price("C-2", day), price("C-1", day)]
        add_batch(lake, {"stock_prices": rows}, day=number, sessions=[day])
    restated = price("C-1", DAYS[0], Close=11.0, Change="restated")
    add_batch(lake, {"stock_prices": [restated]}, day=len(DAYS), sessions=[DAYS[0]])
    return lake


def test_parts_of_a_year_become_one_sorted_part(paths):
    before = read_state(paths)
    current = current_rows(paths, before, "stock_prices", DAYS)
    versions = [batch_rows(paths, before, batch, "stock_prices") for batch in before.batches]
    compaction.compact(paths, NOW)
    state = read_state(paths)
    (part,) = state.parts("stock_prices")
    assert part.rows == 19
    assert (state.base, len(state.batches)) == (before.base, len(before.batches))
    assert current_rows(paths, state, "stock_prices", DAYS) == current
    after = [batch_rows(paths, state, batch, "stock_prices") for batch in state.batches]
    assert [sorted(found.to_pylist(), key=str) for found in after] == [
        sorted(found.to_pylist(), key=str) for found in versions
    ]


def test_second_compaction_finds_nothing(paths):
    assert compaction.compact(paths, NOW) is not None
    assert compaction.compact(paths, NOW) is None


def test_sweep_removes_old_parts_that_nothing_lists(paths):
    compaction.compact(paths, NOW)
    (part,) = read_state(paths).parts("stock_prices")
    now = datetime.now(UTC)
    assert compaction.sweep(paths, now) == []
    assert len(compaction.sweep(paths, now + timedelta(days=8))) == len(DAYS) + 1
    remaining = list(Path(paths.processed_table("stock_prices")).rglob("*.parquet"))
    assert remaining == [Path(part_uri(paths, part))]


def test_job_compacts(platform):
    for number, day in enumerate(DAYS):
        add_batch(platform.paths, {"stock_prices": [price("C-1", day)]}, day=number, sessions=[day])
    assert platform.run("maintain_processed_prices").success
    state = read_state(platform.paths)
    assert state.commits[-1].kind == "compaction"
    assert [part.rows for part in state.parts("stock_prices")] == [len(DAYS)]
