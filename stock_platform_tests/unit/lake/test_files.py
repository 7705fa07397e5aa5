"""Atomic writes into a directory, and the leftovers of interrupted writes."""

from pathlib import Path

import pytest

from stock_platform.lake import check_results, files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed_0_1_0 import list_old_sessions, read_old_session
from stock_platform_tests.support.failing_disk import FailingDisk, full_disk

DAY, NEXT = "2012-07-02", "2012-07-03"


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


@pytest.mark.parametrize("fail_at", [2, 3, 4])
def test_failed_write_leaves_earlier_object(tmp_path, fail_at):
    uri = f"{tmp_path}/a/b.json"
    files.write(uri, b"old")
    with FailingDisk(fail_at, full_disk()).installed(), pytest.raises(OSError, match="No space"):
        files.write(uri, b"new one")
    assert [(file.name, file.read_bytes()) for file in Path(tmp_path, "a").iterdir()] == [
        ("b.json", b"old")
    ]


def is_old_session(paths, session):
    try:
        return read_old_session(paths, session) is not None
    except CorruptObjectError:
        return True


def old_sessions(paths):
    return [session for session in list_old_sessions(paths) if is_old_session(paths, session)]


LISTINGS = {
    "processed prices of 0.1.0": (
        lambda paths, day: paths.processed_0_1_0("stock_prices", day),
        old_sessions,
    ),
    "manifests of 0.1.0": (LakePaths.manifest_0_1_0, old_sessions),
    "loaded by 0.1.0": (
        lambda paths, day: paths.loaded_0_1_0("fact_stock_price", day),
        old_sessions,
    ),
    "check results": (LakePaths.check_results, check_results.days),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_interrupted_write_adds_no_session(paths, name):
    uri_of, sessions = LISTINGS[name]
    files.write(uri_of(paths, DAY), b"whole")
    leftover = Path(f"{uri_of(paths, NEXT)}.0123.tmp")
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_bytes(b"ha")
    assert sessions(paths) == [DAY]
    leftover.unlink()
    assert sessions(paths) == [DAY]


def test_leftover_of_interrupted_write_is_not_reported(paths):
    files.write(f"{paths.check_results(DAY)}.0123.tmp", b"ha")
    assert files.unrecognised_folders(paths.check_results_folder()) == []
