"""A platform that is ready for its first prices, and copies of it that processes may destroy."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from stock_platform.contracts import (
    FACT_CORPORATE_ACTION,
    FACT_STOCK_PRICE,
    LOAD_LOG,
    STOCK_PRICE_ADJUSTED,
)
from stock_platform.lake import compaction, raw_attempts
from stock_platform.lake.paths import PROCESSED_TABLES
from stock_platform.lake.processed import damage, read_state
from stock_platform.warehouse.load import apply_pending
from stock_platform_tests.support.crashes import Boundaries, in_process, kill
from stock_platform_tests.support.platform_fixture import Platform

# Forked processes share these modules instead of importing them, which takes seconds.
for _module in (
    "duckdb",
    "pandas",
    "pysail.spark",
    "pyspark.sql.connect.session",
    "spark_jobs.process_stock_prices",
    "upath",
    "yfinance",
):
    import_module(_module)

# A range over the end of a year, with a dividend.
FIRST, LAST = "2012-12-27", "2013-01-02"
FACTS = ("fact_stock_price", "fact_corporate_action")
ASSETS = ("raw_stock_prices", "processed_stock_prices", *FACTS)
TABLES = (FACT_STOCK_PRICE, FACT_CORPORATE_ACTION, STOCK_PRICE_ADJUSTED)
# They depend on when a run was made.
_VOLATILE = ["FetchedAt", "BatchId"]


@dataclass
class Copies:
    """Copies of a prepared platform."""

    template: Path
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self) -> Path:
        """Copy the platform into a new folder."""
        copy = self.folder / str(next(self._numbers))
        shutil.copytree(self.template, copy, symlinks=True)
        return copy


@pytest.fixture(scope="session")
def copies() -> Iterator[Copies]:
    with TemporaryDirectory(prefix="faults-") as folder:
        template = Path(folder, "template")
        template.mkdir()
        assert in_process(lambda: Platform(template).load_sample_dimensions()) == 0
        yield Copies(template, Path(folder))


@pytest.fixture(scope="session")
def expected(copies: Copies) -> dict[str, pd.DataFrame]:
    """The tables after a run that nothing disturbs."""
    folder = copies.new()
    assert in_process(lambda: load(folder)) == 0
    return tables(Platform(folder))


def load(folder: Path, first: str = FIRST, last: str = LAST) -> None:
    """Load the prices of a range, without checks that only report."""
    with Platform(folder) as platform:
        assert platform.materialize(*ASSETS, first=first, last=last, checks=False).success


def load_committed(platform: Platform) -> None:
    """Load what is committed. Nothing is fetched or processed."""
    assert platform.materialize(*FACTS, first=LAST, checks=False).success


def interrupted(
    folder: Path,
    run: Callable[[Platform], object],
    stop_at: int | str | None,
    stop: Callable[[], object] = kill,
) -> None:
    """Run something in this process, which stops at a boundary."""
    with Platform(folder) as platform:
        Boundaries(folder, stop_at, stop).install(platform.instance)
        run(platform)


def boundary_numbers(folder: Path, run: Callable[[Platform], object], points: int) -> list[int]:
    """Return the numbers of evenly distributed boundaries, from the start of the first step."""
    names = folder / "names.json"

    def count_boundaries() -> None:
        with Platform(folder) as platform:
            boundaries = Boundaries(folder)
            boundaries.install(platform.instance)
            run(platform)
        names.write_text(json.dumps(boundaries.names))

    assert in_process(count_boundaries) == 0
    found = json.loads(names.read_text())
    first = next(n for n, name in enumerate(found) if name.startswith("event STEP_START"))
    assert len(found) - first >= points, found
    return [first + 1 + n * (len(found) - first) // points for n in range(points)]


def tables(platform: Platform) -> dict[str, pd.DataFrame]:
    """The facts and their view, without what depends on the run."""
    found = {}
    for table in TABLES:
        rows = platform.table(table.name)
        found[table.name] = rows.drop(columns=[name for name in _VOLATILE if name in rows])
    return found


def require_equal(platform: Platform, expected: dict[str, pd.DataFrame]) -> None:
    """Require the expected tables, one version per row, and each batch once."""
    require_equal_tables(platform, expected)
    versions = sum(part.rows for part in read_state(platform.paths).parts("stock_prices"))
    assert versions == len(expected["fact_stock_price"])


def require_equal_tables(platform: Platform, expected: dict[str, pd.DataFrame]) -> None:
    """Require the expected tables, and that each batch was committed and applied once."""
    found = tables(platform)
    for name, rows in expected.items():
        pd.testing.assert_frame_equal(found[name], rows, obj=name)
    state = read_state(platform.paths)
    assert len({commit.batch_id for commit in state.batches}) == len(state.batches)
    assert platform.warehouse.applied_batches() == {
        commit.batch_id: commit.sequence for commit in state.batches
    }
    assert len(platform.table(LOAD_LOG.name)) == len(state.batches)


def require_restorable(platform: Platform, expected: dict[str, pd.DataFrame]) -> None:
    """Require that the parts are intact, and that the commits alone give the expected tables."""
    state = read_state(platform.paths)
    assert damage(platform.paths, state.parts()) == {}
    apply_pending(platform.paths, platform.warehouse, state, rebuild=True)
    require_equal(platform, expected)


def require_swept(platform: Platform) -> None:
    """Require that a sweep in a month leaves only what commits and manifests list."""
    later = datetime.now(UTC) + timedelta(days=30)
    raw_attempts.remove_abandoned(platform.paths, later)
    compaction.sweep(platform.paths, later)
    lake = Path(platform.settings.lake)
    listed = {
        part.name for table in PROCESSED_TABLES for part in read_state(platform.paths).parts(table)
    }
    found = {str(file.relative_to(lake / "processed")) for file in lake.rglob("year=*/*")}
    assert found == listed
    assert not [file for file in (lake / "processed" / "_staging").rglob("*") if file.is_file()]
    for run in (lake / "raw" / "stock_prices").glob("run=*"):
        # An empty folder is no object.
        assert not list(run.iterdir()) or (run / "manifest.json").exists(), run
