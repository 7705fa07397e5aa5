"""Raw prices of version 0.1.0 are copied into raw runs."""

from pathlib import Path

import pytest

from stock_platform.lake import raw_runs
from stock_platform.warehouse.migrate import migrate_lake
from stock_platform_tests.support.fixtures.deployment import V0_1_0, unpack

SESSION = "2024-06-12"


@pytest.fixture
def old(tmp_path):
    return unpack(V0_1_0, tmp_path)


def test_damaged_raw_prices_are_reported_and_the_rest_is_copied(old):
    damaged = [old.paths.raw_prices_0_1_0(SESSION), old.paths.last_fetch_0_1_0("2024-06-13")]
    for uri, content in zip(damaged, (b"no gzip", b"[1]"), strict=True):
        Path(uri).write_bytes(content)
    lost = old.paths.raw_prices_0_1_0("2024-06-14")
    Path(lost).unlink()
    problems = migrate_lake(old.paths, dry_run=False).problems
    assert [uri for uri in (*damaged, lost) if not any(uri in text for text in problems)] == []
    names = raw_runs.run_names(old.paths)
    copied = {day for name in names for day in raw_runs.read_run(old.paths, name).sessions}
    assert copied.isdisjoint({SESSION, "2024-06-13", "2024-06-14"})
    assert len(copied) == 8
