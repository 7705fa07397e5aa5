"""Two fetches of the same sessions give the newest answer, in whatever order they are processed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from stock_platform.lake.processed import read_state
from stock_platform.lake.raw_runs import runs_of
from stock_platform.settings.deployment import SAMPLE_END
from stock_platform_tests.faults.conftest import (
    ASSETS,
    FIRST,
    LAST,
    Copies,
    require_equal_tables,
    require_swept,
    tables,
)
from stock_platform_tests.support.crashes import in_process
from stock_platform_tests.support.local_yahoo import SampleYahoo, served
from stock_platform_tests.support.platform_fixture import Platform

pytestmark = pytest.mark.faults

RAW, *REST = ASSETS
# Each fetch has a session of its own, and they share the others.
OLDER = (FIRST, "2012-12-31")
NEWER = ("2012-12-28", LAST)


def materialize(folder: Path, yahoo: SampleYahoo, assets: list[str], *days: str) -> None:
    """Materialize assets of a range with the answers of a local Yahoo, in another process."""

    def run() -> None:
        with Platform(folder) as platform:
            platform.use_yahoo(yahoo.url, end_date=SAMPLE_END)
            first, last = days
            assert platform.materialize(*assets, first=first, last=last, checks=False).success

    assert in_process(run) == 0


@pytest.fixture(scope="module")
def fetched(copies: Copies) -> Iterator[tuple[Copies, SampleYahoo]]:
    """Copies of a platform with two raw runs, whose volumes differ."""
    folder = copies.new()
    own = copies.folder / "order"
    own.mkdir()
    with served(SampleYahoo()) as yahoo:
        materialize(folder, yahoo, [RAW], *OLDER)
        yahoo.volume_factor = 2
        materialize(folder, yahoo, [RAW], *NEWER)
        yield Copies(folder, own), yahoo


@pytest.fixture(scope="module")
def newest(fetched: tuple[Copies, SampleYahoo]) -> dict[str, pd.DataFrame]:
    """The tables after one batch of both fetches."""
    copies, yahoo = fetched
    folder = copies.new()
    materialize(folder, yahoo, REST, FIRST, LAST)
    return tables(Platform(folder))


def test_one_batch_has_newest_answers(newest, expected):
    volumes = {
        str(day): rows["Volume"].sum()
        for day, rows in newest["fact_stock_price"].groupby("TradeDate")
    }
    before = expected["fact_stock_price"].groupby("TradeDate")["Volume"].sum()
    factors = [volumes[str(day)] / volume for day, volume in before.items()]
    assert factors == [1, 2, 2, 2]


@pytest.mark.parametrize("is_older_first", [True, False])
@pytest.mark.parametrize("is_loaded_between", [True, False])
def test_order_of_batches_does_not_matter(fetched, newest, is_older_first, is_loaded_between):
    copies, yahoo = fetched
    folder = copies.new()
    late, elsewhere = runs_in(folder)[1 if is_older_first else 0], folder / "elsewhere"
    days, later_days = (OLDER, NEWER) if is_older_first else (NEWER, OLDER)
    shutil.move(late, elsewhere)
    materialize(folder, yahoo, REST if is_loaded_between else REST[:1], *days)
    shutil.move(elsewhere, late)
    materialize(folder, yahoo, REST, *later_days)
    with Platform(folder) as platform:
        assert len(read_state(platform.paths).batches) == 2
        require_equal_tables(platform, newest)
        require_swept(platform)


def test_older_fetch_is_caught_up_by_other_sessions(fetched, newest):
    copies, yahoo = fetched
    folder = copies.new()
    late, elsewhere = runs_in(folder)[0], folder / "elsewhere"
    shutil.move(late, elsewhere)
    materialize(folder, yahoo, REST, *NEWER)
    shutil.move(elsewhere, late)
    materialize(folder, yahoo, REST, LAST, LAST)
    with Platform(folder) as platform:
        require_equal_tables(platform, newest)
        require_swept(platform)


def runs_in(folder: Path) -> list[str]:
    """The folders of the raw runs, oldest first."""
    days = [FIRST, "2012-12-28", "2012-12-31", LAST]
    return [run.uri for run in runs_of(Platform(folder).paths, days)]
