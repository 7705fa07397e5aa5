"""Files in the landing folder: each content is loaded once, in order of arrival."""

import os
import time
from pathlib import Path

import orjson
import pytest
from fsspec.implementations.local import LocalFileSystem

from stock_platform.erp import ledger
from stock_platform.erp.landing import SETTLED_AFTER, list_deleted_rejects
from stock_platform.lake import files
from stock_platform_tests.support.erp_exports import HEADER
from stock_platform_tests.support.platform_fixture import (
    SAMPLE_COMPANIES,
    SAMPLE_ERP,
    check_results,
    step_errors,
)

GOOD = "\n".join([HEADER, *SAMPLE_COMPANIES]) + "\n"
RENAMED = GOOD.replace("Apple Inc.", "Apple")
EXCHANGES = (SAMPLE_ERP / "exchanges.csv").read_text()


@pytest.fixture
def landing(platform):
    platform.drop("exchanges", "exchanges.csv", EXCHANGES)
    return platform


def load(platform, name, content=GOOD):
    """Drop a file of companies and load it."""
    platform.drop("companies", name, content)
    return platform.run("erp_load")


def entries(platform):
    return ledger.read_ledger(platform.paths, "companies").by_arrival()


def outcomes(platform):
    return [(record.name, record.status) for record in entries(platform)]


def statuses(platform):
    return [record.status for record in entries(platform)]


def company_names(platform):
    return set(platform.table("dim_company")["CompanyName"])


def passes(result, check="files_accepted"):
    """Whether a check of the companies passed; a failure is an error."""
    passed, severity = check_results(result, check, "raw_erp_companies")[None]
    assert severity == "ERROR"
    return passed


def observed(result):
    events = [event for event in result.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    return [event.asset_observation_data.asset_observation for event in events]


def test_files_load_once_in_arrival_order(landing):
    renamed = GOOD.replace(",FB,", ",META,").replace("2012-05-18", "2012-06-09")
    landing.drop("companies", "b.csv", GOOD)
    result = load(landing, "a.csv", renamed)
    assert result.success
    assert outcomes(landing) == [("b.csv", "loaded"), ("a.csv", "loaded")]
    symbols = landing.table("dim_company").set_index("Symbol")
    assert (symbols["IsActive"]["META"], symbols["IsActive"]["FB"]) == (True, False)
    assert landing.run("erp_load").success
    assert len(outcomes(landing)) == 2


def renamed(name, day):
    """The export after a company was renamed."""
    return GOOD.replace("Apple Inc.", name).replace("2000-03-01", day, 1)


@pytest.fixture
def renamed_once(landing):
    """A platform with a renamed company, and its history."""
    assert load(landing, "a.csv").success
    landing.drop("companies", "b.csv", renamed("Apple", "2012-06-01"))
    assert landing.run("erp_load").success
    return landing, landing.table("dim_company_history")


def test_missing_pointer_loses_no_history(renamed_once):
    platform, before = renamed_once
    pointer = Path(platform.paths.current_erp("companies"))
    whole = pointer.read_bytes()
    pointer.unlink()
    platform.drop("companies", "c.csv", renamed("Apple Computer", "2012-07-02"))
    result = platform.run("erp_load")
    assert "_current.json is missing: put it back" in step_errors(result)
    assert platform.table("dim_company_history").equals(before)
    pointer.write_bytes(whole)
    assert platform.run("erp_load").success
    names = set(platform.table("dim_company_history")["CompanyName"])
    assert {"Apple Inc.", "Apple", "Apple Computer"} <= names


def test_lost_records_are_restored_by_reload(renamed_once):
    platform, before = renamed_once
    first, last = entries(platform)
    Path(platform.paths.raw_erp("companies", last.key), "facts.parquet").unlink()
    assert not platform.run("erp_load").success
    pointer = Path(platform.paths.current_erp("companies"))
    pointer.write_bytes(orjson.dumps({"load": first.key}))
    Path(platform.paths.erp_load("companies", last.key)).unlink()
    assert platform.run("erp_load").success
    columns = [name for name in before if name != "LoadedAt"]
    assert platform.table("dim_company_history")[columns].equals(before[columns])


def test_observation_describes_loaded_file(landing):
    bad = SAMPLE_COMPANIES[0].replace("C-0001,AAPL", "C-0042,TSLA").replace("XNAS", "XXXX")
    landing.drop("companies", "c.csv", f"{GOOD}{bad}\n")
    found = [observation.metadata for observation in observed(landing.run("erp_load"))]
    loaded = next(metadata for metadata in found if metadata["file"].value == "c.csv")
    assert loaded["summary"].value == "c.csv: 8 rows accepted, 1 rejected"
    assert {"file", "generation", "accepted_rows", "as_it_came"} <= set(loaded)
    (row,) = loaded["rejected"].value.records
    assert (row.data["LINE"], row.data["REASON"]) == (10, "unknown_exchange")
    assert b"TSLA" in files.read(loaded["as_it_came"].value)
    assert files.exists(loaded["quarantine"].value)


def test_only_changed_content_loads_again(landing):
    file = landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    before = landing.table("dim_company")
    os.utime(file, (1, 1))
    landing.run("erp_load")
    file.unlink()
    assert landing.run("erp_load").success
    load(landing, "c.csv")
    assert statuses(landing) == ["loaded", "unchanged", "unchanged"]
    assert landing.table("dim_company").equals(before)
    load(landing, "c.csv", RENAMED)
    assert statuses(landing)[-1] == "loaded"
    assert "Apple" in company_names(landing)


def test_corrected_file_loads_after_rejection(landing, capfd):
    assert not passes(load(landing, "c.csv", "nothing"))
    load(landing, "c.csv")
    before = landing.table("dim_company")
    assert not passes(load(landing, "c.csv", "<html>502</html>"))
    reason = "c.csv was rejected, nothing of it is used: the file is a web page"
    assert reason in capfd.readouterr().err
    assert landing.table("dim_company").equals(before)
    assert passes(load(landing, "c.csv", RENAMED))
    assert statuses(landing) == ["rejected", "loaded", "rejected", "loaded"]


def test_unrecorded_load_repeats_without_effect(landing):
    load(landing, "c.csv")
    before = landing.table("dim_company_history")
    (record,) = entries(landing)
    files.delete(landing.paths.erp_load("companies", record.key))
    assert landing.run("erp_load").success
    assert landing.table("dim_company_history").equals(before)
    assert len(outcomes(landing)) == 1


@pytest.mark.parametrize(
    ("later_s", "least_s", "most_s"),
    [(0, SETTLED_AFTER.total_seconds() - 1, float("inf")), (86_400, 0, 60)],
    ids=["just written", "of the future"],
)
def test_load_waits_only_for_unfinished_file(landing, later_s, least_s, most_s):
    file = landing.drop("companies", "c.csv", GOOD)
    started = time.time()
    os.utime(file, (started + later_s, started + later_s))
    assert landing.run("erp_load").success
    assert least_s < time.time() - started < most_s
    assert outcomes(landing) == [("c.csv", "loaded")]


UNUSUAL = ["c.txt", "x%2F..%2Fy.csv", "ü ☃.csv", "C.CSV", "companies::2026.csv", "-rf.csv"]
LONG, LATIN_1 = "株式会社" * 15 + ".csv", os.fsdecode(b"\xe9t\xe9.csv")


@pytest.mark.parametrize("name", [*UNUSUAL, LONG, LATIN_1], ids=ascii)
def test_unusual_file_names_are_accepted(landing, name):
    landing.drop("companies", "z.csv", GOOD)
    landing.drop("companies", name, GOOD)
    recorded = os.fsencode(name).decode(errors="backslashreplace")
    for _ in range(2):
        assert landing.run("erp_load").success
        assert sorted(outcomes(landing)) == sorted([("z.csv", "loaded"), (recorded, "loaded")])


def test_partial_and_special_files_are_ignored(landing):
    for name in ("z.csv", ".hidden.csv", "c.csv.part", "c.csv.tmp"):
        landing.drop("companies", name, GOOD)
    folder = Path(landing.paths.landing("companies"))
    (folder / "dangling.csv").symlink_to(folder / "nowhere")
    (folder / "passwords.csv").symlink_to("/etc/passwd")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    assert landing.run("erp_load").success
    assert outcomes(landing) == [("z.csv", "loaded")]


def test_unreadable_file_is_rejected_alone(landing, monkeypatch):
    landing.drop("companies", "a.csv", GOOD)
    landing.drop("companies", "b.csv", GOOD)
    real = LocalFileSystem.get_file

    def get_file(self, path, *others, **options):
        # Tests may run as root, who can read everything.
        if path.endswith("a.csv"):
            raise PermissionError(13, "Permission denied", path)
        return real(self, path, *others, **options)

    monkeypatch.setattr(LocalFileSystem, "get_file", get_file)
    result = landing.run("erp_load")
    assert outcomes(landing) == [("a.csv", "rejected"), ("b.csv", "loaded")]
    assert not passes(result)


def test_late_file_changes_nothing(landing):
    load(landing, "old.csv")
    load(landing, "new.csv", RENAMED)
    before = landing.table("dim_company")
    result = load(landing, "old-again.csv")
    assert outcomes(landing)[-1] == ("old-again.csv", "late")
    assert landing.table("dim_company").equals(before)
    assert "it came late" in observed(result)[-1].metadata["summary"].value


def test_reuploading_earlier_content_loads_again(landing):
    for content in (GOOD, RENAMED, GOOD):
        load(landing, "c.csv", content)
    assert outcomes(landing) == [("c.csv", "loaded")] * 3
    assert "Apple Inc." in company_names(landing)


def test_changed_exchanges_reload_newest_companies(landing):
    without = "".join(line for line in EXCHANGES.splitlines(keepends=True) if "XNYS" not in line)
    listed, dropped = (row for row in SAMPLE_COMPANIES if "XNYS" in row)
    symbol = listed.split(",")[1]
    landing.drop("exchanges", "exchanges.csv", without)
    # With both, more rows than the limit allows would break the contract.
    load(landing, "c.csv", GOOD.replace(f"{dropped}\n", ""))
    assert symbol not in set(landing.table("dim_company")["Symbol"])
    landing.drop("exchanges", "exchanges.csv", EXCHANGES)
    assert landing.run("erp_load").success
    assert symbol in set(landing.table("dim_company")["Symbol"])


def test_rejected_newest_file_hides_older_ones(landing):
    broken = EXCHANGES.replace(",USD,,NMS", ",USD,#,NMS")  # not a character of Yahoo's symbols
    load(landing, "old.csv", RENAMED)
    load(landing, "new.csv")
    landing.drop("exchanges", "exchanges.csv", broken)
    for _ in range(2):
        landing.run("erp_load")
        assert outcomes(landing) == [("old.csv", "loaded"), ("new.csv", "rejected")]
    landing.drop("exchanges", "exchanges.csv", EXCHANGES)
    landing.run("erp_load")
    assert outcomes(landing) == [("old.csv", "loaded"), ("new.csv", "loaded")]
    assert "Apple Inc." in company_names(landing)


def test_deleting_rejected_file_clears_check(landing):
    landing.drop("companies", "c.csv", GOOD)
    file = landing.drop("companies", "bad.csv", "nothing")
    landing.run("erp_load")
    assert list_deleted_rejects(landing.paths, "companies") == []
    file.unlink()
    assert [file.name for file in list_deleted_rejects(landing.paths, "companies")] == ["bad.csv"]
    assert passes(landing.run("erp_load"))
    assert list_deleted_rejects(landing.paths, "companies") == []


def test_damaged_ledger_entry_fails_its_check(landing, capfd):
    load(landing, "a.csv")
    (record,) = entries(landing)
    load(landing, "b.csv", RENAMED)
    entry = Path(landing.paths.erp_load("companies", record.key))
    entry.write_bytes(b"{")
    result = load(landing, "c.csv", GOOD.replace("Apple Inc.", "Apple Corp"))
    assert result.success
    name = "load_ledger_is_readable"
    assert not passes(result, name)
    assert f"the ledger entry {entry} is damaged" in capfd.readouterr().err
    assert "Apple Corp" in company_names(landing)
    entry.unlink()
    assert passes(landing.run("erp_load"), name)
    assert "Apple Corp" in company_names(landing)
