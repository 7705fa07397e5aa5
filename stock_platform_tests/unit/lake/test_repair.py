"""Which batches must be run again for damaged parts, beside compacted ones too."""

from datetime import UTC, datetime

import pytest

from stock_platform.lake import compaction, files
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import damage, part_uri, read_state
from stock_platform_tests.support.commits import add_batch, price

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = [f"2012-01-{day:02}" for day in (3, 4, 5, 6, 9, 10, 11, 12)]


@pytest.fixture
def paths(tmp_path):
    """A year of eight compacted batches and a later one."""
    lake = LakePaths(str(tmp_path))
    for number, day in enumerate(DAYS):
        add_batch(lake, {"stock_prices": [price("C-1", day)]}, day=number, sessions=[day])
    compaction.compact(lake, NOW)
    add_batch(lake, {"stock_prices": [price("C-1", "2012-02-01")]}, day=50, sessions=["2012-02-01"])
    return lake


def lost_batches(paths, damaged):
    state = read_state(paths)
    (part,) = [found for found in state.parts("stock_prices") if found.is_compacted == damaged]
    files.write(part_uri(paths, part), b"damaged")
    assert list(damage(paths, state.parts())) == [part]
    return [
        batch.batch_id
        for batch in state.batches
        if any(part in state.holders(own) for own in batch.parts)
    ]


def test_damaged_part_of_one_batch_loses_only_this_batch(paths):
    assert lost_batches(paths, damaged=False) == ["batch-50"]


def test_damaged_compacted_part_loses_the_batches_in_it(paths):
    assert lost_batches(paths, damaged=True) == [f"batch-{number}" for number in range(len(DAYS))]
