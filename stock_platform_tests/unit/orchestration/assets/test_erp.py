"""Files in the landing folder: each generation is dealt with once, in order of arrival."""

import os
import time
from pathlib import Path

import orjson
import pytest
from fsspec.implementations.local import LocalFileSystem

from stock_platform.erp import ledger
from stock_platform.erp.landing import SETTLED_AFTER, list_deleted_rejects, list_landed_files
from stock_platform.lake import files
from stock_platform_tests.support.erp_exports import HEADER
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, SAMPLE_ERP, verdicts

GOOD = "\n".join([HEADER, *SAMPLE_COMPANIES]) + "\n"


@pytest.fixture
def landing(platform):
    platform.drop("exchanges", "exchanges.csv", (SAMPLE_ERP / "exchanges.csv").read_bytes())
    return platform


def outcomes(platform):
    return [
        (it.name, it.status) for it in ledger.read_ledger(platform.paths, "companies").by_arrival()
    ]


def observed(result):
    return [
        it.asset_observation_data.asset_observation
        for it in result.all_events
        if it.event_type_value == "ASSET_OBSERVATION"
    ]


def test_files_are_loaded_once_in_order_of_arrival(landing):
    renamed = GOOD.replace(",FB,", ",META,").replace("2012-05-18", "2012-06-09")
    landing.drop("companies", "b.csv", GOOD)
    landing.drop("companies", "a.csv", renamed)
    result = landing.run("erp_load")
    assert result.success
    assert outcomes(landing) == [("b.csv", "loaded"), ("a.csv", "loaded")]
    symbols = landing.table("dim_company").set_index("Symbol")
    assert (symbols["IsActive"]["META"], symbols["IsActive"]["FB"]) == (True, False)
    assert landing.run("erp_load").success
    assert len(outcomes(landing)) == 2


def renamed(name, day):
    """The export after a company got another name."""
    return GOOD.replace("Apple Inc.", name).replace("2000-03-01", day, 1)


@pytest.fixture
def renamed_once(landing):
    """A platform that knows a company's name of before, and its history."""
    landing.drop("companies", "a.csv", GOOD)
    assert landing.run("erp_load").success
    landing.drop("companies", "b.csv", renamed("Apple", "2012-06-01"))
    assert landing.run("erp_load").success
    return landing, landing.table("dim_company_history")


def failures(result):
    return str([it.step_failure_data.error for it in result.get_step_failure_events()])


def test_no_history_is_lost_with_the_pointer_to_it(renamed_once):
    platform, before = renamed_once
    pointer = Path(platform.paths.current_erp("companies"))
    whole = pointer.read_bytes()
    pointer.unlink()
    platform.drop("companies", "c.csv", renamed("Apple Computer", "2012-07-02"))
    refused = platform.run("erp_load")
    assert "_current.json is missing: put it back" in failures(refused)
    assert platform.table("dim_company_history").equals(before)
    pointer.write_bytes(whole)
    assert platform.run("erp_load").success
    names = set(platform.table("dim_company_history")["CompanyName"])
    assert {"Apple Inc.", "Apple", "Apple Computer"} <= names


def test_lost_facts_come_back_by_the_load_before_and_its_file(renamed_once):
    platform, before = renamed_once
    first, last = ledger.read_ledger(platform.paths, "companies").by_arrival()
    Path(platform.paths.raw_erp("companies", last.key), "facts.parquet").unlink()
    assert not platform.run("erp_load").success
    pointer = Path(platform.paths.current_erp("companies"))
    pointer.write_bytes(orjson.dumps({"load": first.key}))
    Path(platform.paths.erp_load("companies", last.key)).unlink()
    assert platform.run("erp_load").success
    columns = [it for it in before if it != "LoadedAt"]
    assert platform.table("dim_company_history")[columns].equals(before[columns])


def test_a_load_shows_its_file_generation_rows_sample_and_quarantine(landing):
    bad = SAMPLE_COMPANIES[0].replace("C-0001,AAPL", "C-0042,TSLA").replace("XNAS", "XXXX")
    landing.drop("companies", "c.csv", f"{GOOD}{bad}\n")
    found = observed(landing.run("erp_load"))
    shown = next(it for it in found if it.metadata["file"].value == "c.csv")
    assert shown.metadata["summary"].value == "c.csv: 8 rows accepted, 1 rejected"
    assert {"file", "generation", "accepted_rows", "as_it_came"} <= set(shown.metadata)
    (row,) = shown.metadata["rejected"].value.records
    assert (row.data["LINE"], row.data["REASON"]) == (10, "unknown_exchange")
    assert b"TSLA" in files.read(shown.metadata["as_it_came"].value)
    assert files.exists(shown.metadata["quarantine"].value)


def test_a_file_overwritten_under_its_name_loads_again_and_one_touched_does_not(landing):
    file = landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    os.utime(file, (1, 1))
    landing.run("erp_load")
    landing.drop("companies", "c.csv", GOOD.replace("Apple Inc.", "Apple"))
    landing.run("erp_load")
    assert [it[1] for it in outcomes(landing)] == ["loaded", "unchanged", "loaded"]
    assert "Apple" in set(landing.table("dim_company")["CompanyName"])


def test_a_deleted_file_replays_nothing_and_dropped_again_is_looked_at_once(landing):
    file = landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    before = landing.table("dim_company")
    file.unlink()
    assert landing.run("erp_load").success
    landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    assert [it[1] for it in outcomes(landing)] == ["loaded", "unchanged"]
    assert landing.table("dim_company").equals(before)


def test_a_rejected_file_changes_nothing_fails_a_check_and_a_corrected_one_loads(landing, capfd):
    landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    before = landing.table("dim_company")
    landing.drop("companies", "c.csv", "<html>502</html>")
    refused = landing.run("erp_load")
    assert verdicts(refused, "files_accepted", "raw_erp_companies")[None] == (False, "ERROR")
    assert "c.csv was rejected, nothing of it is used: the file is a web page" in (
        capfd.readouterr().err
    )
    assert landing.table("dim_company").equals(before)
    landing.drop("companies", "c.csv", GOOD.replace("Apple Inc.", "Apple"))
    mended = landing.run("erp_load")
    assert verdicts(mended, "files_accepted", "raw_erp_companies")[None] == (True, "ERROR")
    assert [it[1] for it in outcomes(landing)] == ["loaded", "rejected", "loaded"]


def test_a_load_that_died_before_it_was_remembered_is_repeated_without_effect(landing):
    landing.drop("companies", "c.csv", GOOD)
    landing.run("erp_load")
    before = landing.table("dim_company_history")
    (load,) = ledger.read_ledger(landing.paths, "companies").by_arrival()
    files.delete(landing.paths.erp_load("companies", load.key))
    assert landing.run("erp_load").success
    assert landing.table("dim_company_history").equals(before)
    assert len(outcomes(landing)) == 1


def test_a_file_that_is_still_written_is_waited_for(landing):
    file = landing.drop("companies", "c.csv", GOOD)
    os.utime(file)
    started = time.time()
    assert landing.run("erp_load").success
    assert time.time() - started > SETTLED_AFTER.total_seconds() - 1
    assert outcomes(landing) == [("c.csv", "loaded")]


@pytest.mark.parametrize("name", [".hidden.csv", "c.csv.part", "c.csv.tmp"])
def test_unfinished_files_are_left_alone(landing, name):
    landing.drop("companies", name, GOOD)
    assert list_landed_files(landing.paths, "companies") == []


@pytest.mark.parametrize("name", ["c.txt", "x%2F..%2Fy.csv", "ü ☃.csv", "C.CSV"])
def test_a_name_is_only_a_name(landing, name):
    landing.drop("companies", name, GOOD)
    assert landing.run("erp_load").success

    assert outcomes(landing) == [(name, "loaded")]


LONG = "株式会社" * 15 + ".csv"


@pytest.mark.parametrize("name", ["companies::2026.csv", LONG, b"soci\xe9t\xe9.csv", "-rf.csv"])
def test_no_name_stops_the_files_beside_it(landing, name):
    path = os.fsencode(landing.paths.landing("companies"))
    landing.drop("companies", "z.csv", GOOD)
    Path(os.fsdecode(path + b"/" + os.fsencode(name))).write_text(GOOD)
    assert landing.run("erp_load").success
    assert sorted(it[1] for it in outcomes(landing)) == ["loaded", "loaded"]
    assert landing.run("erp_load").success
    assert len(outcomes(landing)) == 2


def test_links_pipes_and_folders_are_no_files(landing):
    landing.drop("companies", "z.csv", GOOD)
    folder = Path(landing.paths.landing("companies"))
    (folder / "dangling.csv").symlink_to(folder / "nowhere")
    (folder / "passwords.csv").symlink_to("/etc/passwd")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    assert landing.run("erp_load").success
    assert outcomes(landing) == [("z.csv", "loaded")]


def test_a_file_that_cannot_be_read_is_rejected_and_those_after_it_are_loaded(landing, monkeypatch):
    landing.drop("companies", "a.csv", GOOD)
    landing.drop("companies", "b.csv", GOOD)
    real = LocalFileSystem.get_file

    def get_file(self, path, *others, **options):
        # Who runs the tests as root may read everything.
        if path.endswith("a.csv"):
            raise PermissionError(13, "Permission denied", path)
        return real(self, path, *others, **options)

    monkeypatch.setattr(LocalFileSystem, "get_file", get_file)
    result = landing.run("erp_load")
    assert outcomes(landing) == [("a.csv", "rejected"), ("b.csv", "loaded")]
    assert verdicts(result, "files_accepted", "raw_erp_companies")[None] == (False, "ERROR")


def test_a_time_of_change_that_is_to_come_holds_nothing_up(landing):
    file = landing.drop("companies", "c.csv", GOOD)
    tomorrow = time.time() + 86_400
    os.utime(file, (tomorrow, tomorrow))
    started = time.time()
    assert landing.run("erp_load").success
    assert time.time() - started < 60
    assert outcomes(landing) == [("c.csv", "loaded")]


def test_an_older_file_that_comes_again_after_a_newer_one_changes_nothing(landing):
    landing.drop("companies", "old.csv", GOOD)
    landing.run("erp_load")
    landing.drop("companies", "new.csv", GOOD.replace("Apple Inc.", "Apple"))
    landing.run("erp_load")
    before = landing.table("dim_company")
    landing.drop("companies", "old-again.csv", GOOD)
    result = landing.run("erp_load")
    assert outcomes(landing)[-1] == ("old-again.csv", "late")
    assert landing.table("dim_company").equals(before)
    assert "it came late" in observed(result)[-1].metadata["summary"].value


def test_what_a_name_held_before_may_be_put_back(landing):
    for content in (GOOD, GOOD.replace("Apple Inc.", "Apple"), GOOD):
        landing.drop("companies", "c.csv", content)
        landing.run("erp_load")
    assert outcomes(landing) == [("c.csv", "loaded")] * 3
    assert "Apple Inc." in set(landing.table("dim_company")["CompanyName"])


def test_when_an_exchange_changes_the_newest_companies_are_read_again(landing):
    exchanges = (SAMPLE_ERP / "exchanges.csv").read_text()
    without = "".join(it for it in exchanges.splitlines(keepends=True) if "XNYS" not in it)
    (listed,) = [it for it in SAMPLE_COMPANIES if "XNYS" in it][:1]
    told = [it for it in SAMPLE_COMPANIES if "XNYS" not in it]
    landing.drop("exchanges", "exchanges.csv", without)
    landing.drop("companies", "c.csv", "\n".join([HEADER, *told, listed]) + "\n")
    landing.run("erp_load")
    symbol = listed.split(",")[1]
    assert symbol not in set(landing.table("dim_company")["Symbol"])
    landing.drop("exchanges", "exchanges.csv", exchanges)
    assert landing.run("erp_load").success
    assert symbol in set(landing.table("dim_company")["Symbol"])


def test_newest_companies_that_changed_exchanges_reject_are_not_replaced_by_older_ones(landing):
    exchanges = (SAMPLE_ERP / "exchanges.csv").read_text()
    broken = exchanges.replace(",USD,,NMS", ",USD,#,NMS")  # no character of Yahoo's symbols
    landing.drop("companies", "old.csv", GOOD.replace("Apple Inc.", "Apple"))
    landing.run("erp_load")
    landing.drop("companies", "new.csv", GOOD)
    landing.run("erp_load")
    landing.drop("exchanges", "exchanges.csv", broken)
    for _ in range(2):
        landing.run("erp_load")
        assert outcomes(landing) == [("old.csv", "loaded"), ("new.csv", "rejected")]
    landing.drop("exchanges", "exchanges.csv", exchanges)
    landing.run("erp_load")
    assert outcomes(landing) == [("old.csv", "loaded"), ("new.csv", "loaded")]
    assert "Apple Inc." in set(landing.table("dim_company")["CompanyName"])


def test_a_first_file_that_is_rejected_fails_the_check(landing):
    landing.drop("companies", "c.csv", "nothing")
    result = landing.run("erp_load")
    assert verdicts(result, "files_accepted", "raw_erp_companies")[None] == (False, "ERROR")


def test_deleting_a_rejected_file_clears_the_check(landing):
    landing.drop("companies", "c.csv", GOOD)
    file = landing.drop("companies", "bad.csv", "nothing")
    landing.run("erp_load")
    assert list_deleted_rejects(landing.paths, "companies") == []
    file.unlink()
    assert [it.name for it in list_deleted_rejects(landing.paths, "companies")] == ["bad.csv"]
    cleared = landing.run("erp_load")
    assert verdicts(cleared, "files_accepted", "raw_erp_companies")[None] == (True, "ERROR")
    assert list_deleted_rejects(landing.paths, "companies") == []


def test_damaged_ledger_entry_fails_its_check(landing, capfd):
    landing.drop("companies", "a.csv", GOOD)
    landing.run("erp_load")
    (record,) = ledger.read_ledger(landing.paths, "companies").by_arrival()
    landing.drop("companies", "b.csv", GOOD.replace("Apple Inc.", "Apple"))
    landing.run("erp_load")
    entry = Path(landing.paths.erp_load("companies", record.key))
    entry.write_bytes(b"{")
    landing.drop("companies", "c.csv", GOOD.replace("Apple Inc.", "Apple Corp"))
    result = landing.run("erp_load")
    assert result.success
    name = "load_ledger_is_readable"
    assert verdicts(result, name, "raw_erp_companies")[None] == (False, "ERROR")
    assert f"the ledger entry {entry} is damaged" in capfd.readouterr().err
    assert "Apple Corp" in set(landing.table("dim_company")["CompanyName"])
    entry.unlink()
    repaired = landing.run("erp_load")
    assert verdicts(repaired, name, "raw_erp_companies")[None] == (True, "ERROR")
    assert "Apple Corp" in set(landing.table("dim_company")["CompanyName"])
