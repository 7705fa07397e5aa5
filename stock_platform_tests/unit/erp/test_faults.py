"""A load of ERP files that is killed, or whose disk is full, at any of its file operations."""

import logging
import os
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stock_platform.erp import ledger, store
from stock_platform.erp.export import COMPANIES, read_export
from stock_platform.erp.landing import list_deleted_rejects
from stock_platform.erp.loader import ErpLoader
from stock_platform.lake.paths import LakePaths
from stock_platform_tests.support.erp_exports import HEADER, company, rule
from stock_platform_tests.support.failing_disk import FailingDisk, Killed, full_disk

APPLE = company("C-1", "AAPL", "Apple Inc.", changed="2020-01-05")
RENAMED = company("C-1", "AAPL", "Apple", changed="2020-03-01")
MICROSOFT = company("C-2", "MSFT", "Microsoft", changed="2020-04-01")
OLDER_APPLE = company("C-1", "AAPL", "Apple Computer", changed="2019-01-01")
UNLISTED = company("C-3", "TSLA", "Tesla", mic="XXXX")


class Landing:
    """A landing folder of companies, its loader, and the resulting state of the lake."""

    def __init__(self, root):
        self.paths = LakePaths(str(root / "lake"))
        self.folder = Path(self.paths.landing("companies"))
        self.folder.mkdir(parents=True)
        self.rules = ""

    def drop(self, name, *rows):
        file = self.folder / name
        file.write_text("\n".join([HEADER, *rows]) + "\n" if rows else "nothing")
        long_ago = time.time() - 60
        os.utime(file, (long_ago, long_ago))

    def load(self, *dropped):
        """Drop a file (its name and rows), or none, and load."""
        if dropped:
            self.drop(*dropped)

        def read(file):
            return read_export(file, COMPANIES, rule(), 0.9)

        log = logging.getLogger(__name__)
        return list(ErpLoader(log, self.paths, "companies", read, self.rules).load_all())

    def ledger(self):
        return ledger.read_ledger(self.paths, "companies")

    def entry(self, name):
        """The ledger entry of a loaded file."""
        (record,) = [record for record in self.ledger().by_arrival() if record.name == name]
        return Path(self.paths.erp_load("companies", record.key))

    def state(self):
        """Everything that a load leaves, without times."""
        moments = {"generation", "arrived_at", "loaded_at"}
        entries = [
            {name: value for name, value in record.to_json().items() if name not in moments}
            for record in self.ledger().by_arrival()
        ]
        names = ledger.entry_names(self.paths.erp_loads("companies"))
        markers = ledger.entry_names(self.paths.rejected_erp_loads("companies"))
        known = store.load_if_any(self.paths, "companies")
        records = known and known.records
        return {
            "entries": entries,
            "entry_files": len(names),
            "damaged": self.ledger().damaged,
            "markers": len(markers),
            "deleted_rejects": list_deleted_rejects(self.paths, "companies"),
            "records": records and records.drop_columns(["LOADED_AT", "VANISHED_AT"]).to_pylist(),
            "vanished": records and records["VANISHED_AT"].is_null().to_pylist(),
            "rejected_rows": known and known.rejected,
        }


def first_file(landing):
    landing.drop("a.csv", APPLE, UNLISTED)


def newer_file(landing):
    landing.load("a.csv", APPLE, MICROSOFT)
    landing.drop("b.csv", RENAMED)


def late_file(landing):
    landing.load("a.csv", APPLE)
    # Microsoft is newer than any known record, Apple older.
    landing.drop("b.csv", OLDER_APPLE, MICROSOFT)


def rejected_file(landing):
    landing.load("a.csv", APPLE)
    landing.drop("a.csv")


def deleted_reject(landing):
    landing.load("a.csv")
    (landing.folder / "a.csv").unlink()


def unchanged_file(landing):
    landing.load("a.csv", APPLE)
    landing.drop("a.csv", APPLE)


def changed_rules(landing):
    landing.load("a.csv", APPLE, UNLISTED)
    landing.rules = "others"


SCENARIOS = [
    *(first_file, newer_file, late_file, rejected_file, deleted_reject),
    *(unchanged_file, changed_rules),
]


@contextmanager
def prepared(scenario):
    """The landing folder of a scenario, in a lake of its own."""
    with TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        scenario(landing)
        yield landing


def expected(scenario):
    """The state after an undisturbed load, and the disk that counted its operations."""
    with prepared(scenario) as landing, FailingDisk().installed() as disk:
        assert landing.load() or scenario is deleted_reject
        return landing.state(), disk


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.__name__)
def scenario(request):
    return request.param


def test_killed_load_is_completed_by_next(scenario):
    state, disk = expected(scenario)
    assert disk.writes
    for fail_at in range(1, disk.count + 1):
        with prepared(scenario) as landing:
            with FailingDisk(fail_at).installed(), pytest.raises(Killed):
                landing.load()
            landing.load()
            assert landing.state() == state, f"killed at operation {fail_at} of {disk.count}"
            assert landing.load() == []


def test_full_disk_is_survived(scenario):
    state, disk = expected(scenario)
    for fail_at in disk.writes:
        with prepared(scenario) as landing:
            full = FailingDisk(fail_at, full_disk())
            with full.installed(), pytest.raises(OSError, match="No space"):
                landing.load()
            assert not list(landing.folder.parents[2].rglob("*.tmp"))
            landing.load()
            assert landing.state() == state, f"full at operation {fail_at} of {disk.count}"


def test_second_kill_changes_nothing():
    state, disk = expected(late_file)
    points = range(1, disk.count + 1, 3)
    for kills in zip(points, reversed(points), strict=True):
        with prepared(late_file) as landing:
            for fail_at in kills:
                with FailingDisk(fail_at).installed(), suppress(Killed):
                    landing.load()
            landing.load()
            assert landing.state() == state, f"killed at operations {kills}"


@pytest.fixture
def landing(tmp_path):
    return Landing(tmp_path)


@pytest.fixture
def loaded(landing):
    """The landing folder of two loaded files."""
    landing.drop("a.csv", APPLE)
    landing.load("b.csv", RENAMED, MICROSOFT)
    return landing


@pytest.fixture
def damaged_entry(loaded):
    """The damaged ledger entry of the older one."""
    entry = loaded.entry("a.csv")
    entry.write_bytes(b'{"name": ')
    return entry


@pytest.mark.parametrize("content", [b"", b'{"name": ', b"[]", b"null", b"{}", b"\xff\x00"])
def test_damaged_entry_does_not_stop_others(loaded, caplog, content):
    entry = loaded.entry("a.csv")
    entry.write_bytes(content)
    amazon = company("C-4", "AMZN", "Amazon")
    assert [record.name for record in loaded.load("c.csv", RENAMED, MICROSOFT, amazon)] == ["c.csv"]
    assert str(entry) in caplog.text
    assert "Restore an earlier version" in caplog.text
    assert list(loaded.ledger().damaged) == [str(entry)]


@pytest.mark.usefixtures("damaged_entry")
def test_damaged_entry_prevents_reload(loaded):
    before = loaded.state()["records"]
    assert loaded.load() == []
    loaded.rules = "others"
    assert loaded.load() == []
    assert loaded.state()["records"] == before


def test_deleting_damaged_entry_reloads_its_file(loaded, damaged_entry):
    before = loaded.state()["records"]
    damaged_entry.unlink()
    (again,) = loaded.load()
    assert (again.name, again.status) == ("a.csv", "late")
    assert loaded.state()["records"] == before


def test_damaged_entry_of_current_load_heals(loaded):
    before = loaded.state()
    loaded.entry("b.csv").write_bytes(b'{"name": ')
    assert [record.name for record in loaded.load()] == ["b.csv"]
    assert loaded.state() == before


def test_content_before_damaged_entry_loads_again(landing):
    landing.load("a.csv", APPLE)
    landing.load("a.csv", company("C-1", "AAPL", "Apple Corp", changed="2020-01-05"))
    newest = landing.ledger().by_arrival()[-1]
    landing.load("z.csv", APPLE, MICROSOFT)
    Path(landing.paths.erp_load("companies", newest.key)).write_bytes(b"")
    assert [record.status for record in landing.load("a.csv", APPLE)] != ["unchanged"]


def test_copied_entry_counts_once(loaded):
    entry = loaded.entry("a.csv")
    shutil.copy(entry, entry.with_name("copy.json"))
    first, _ = loaded.ledger().by_arrival()
    assert f"it describes {first.key}" in str(loaded.ledger().damaged)


@pytest.mark.parametrize("name", ["a.json.0123.tmp", ".DS_Store", "a.json.bak"])
def test_other_names_are_not_entries(landing, name):
    landing.load("a.csv")
    for folder in (landing.paths.erp_loads, landing.paths.rejected_erp_loads):
        Path(folder("companies"), name).write_bytes(b"{")
    assert landing.load() == []
    assert landing.ledger().damaged == {}
    assert list_deleted_rejects(landing.paths, "companies") == []


def test_marker_without_entry_is_ignored(landing):
    """A load died before it wrote the entry, and the file was deleted before the next load."""
    marker = Path(landing.paths.rejected_erp_load("companies", "a.csv@1"))
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert list_deleted_rejects(landing.paths, "companies") == []
    assert landing.load() == []


def test_lost_pointer_with_damaged_entries_stops(landing):
    landing.load("a.csv", APPLE)
    landing.entry("a.csv").write_bytes(b'{"name": ')
    Path(landing.paths.current_erp("companies")).unlink()
    with pytest.raises(store.CorruptObjectError, match=r"_current\.json is missing: put it back"):
        landing.load("b.csv", RENAMED)


def test_version_0_1_pointer_is_read(landing):
    (record,) = landing.load("a.csv", APPLE)
    pointer = Path(landing.paths.current_erp("companies"))
    pointer.write_text(f'{{"load": "{record.key}"}}')
    assert [record.status for record in landing.load("b.csv", RENAMED)] == ["loaded"]
