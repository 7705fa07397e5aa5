"""Readers open generations of the DuckDB file: they block no load, and loads disturb no reader."""

import shutil
import subprocess
import sys
from contextlib import ExitStack

import duckdb
import pytest

from stock_platform.contracts import DIM_EXCHANGE, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse import duckdb_generations
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.duckdb_generations import Generations
from stock_platform.warehouse.duckdb_tables import has_tables
from stock_platform.warehouse.interface import WarehouseError
from stock_platform_tests.support.duckdb_processes import (
    HOLDER,
    LOADER,
    READER,
    ROWS,
    ask,
    load,
    load_and_die,
    name_in,
    program,
    stopped_load,
)

# So many that the file consists of their blocks.
MANY_ROWS = 300_000
READERS = 5
LOADS = 10


@pytest.fixture
def file(tmp_path):
    return tmp_path / "warehouse" / "w.duckdb"


@pytest.fixture
def link(file):
    return file.parent / "read" / file.name


@pytest.fixture
def warehouse(file):
    adapter = DuckDBWarehouse(file)
    adapter.create_tables()
    load(adapter, "first")
    return adapter


@pytest.fixture
def impatient(monkeypatch):
    """Loads fail where they would wait."""
    monkeypatch.setattr("stock_platform.warehouse.duckdb._LOCK_TIMEOUT_S", 0)


@pytest.mark.usefixtures("impatient")
def test_readers_and_loads_never_meet(warehouse, link):
    load(warehouse, "000")
    with ExitStack() as stack:
        readers = [stack.enter_context(program(READER, link, ROWS)) for _ in range(READERS)]
        assert [reader.stdout.readline() for reader in readers] == ["reading\n"] * READERS
        for number in range(1, LOADS + 1):
            load(warehouse, f"{number:03}")
            assert name_in(warehouse) == f"{number:03}"
        for reader in readers:
            _, errors = reader.communicate("stop\n")
            assert reader.returncode == 0, errors


@pytest.mark.usefixtures("impatient")
def test_open_reader_keeps_its_generation(warehouse, link):
    with program(HOLDER, link, "read") as reader:
        assert ask(reader) == "first"
        for name in "abcde":
            load(warehouse, name)
        assert ask(reader) == "first"
    assert name_in(warehouse) == "e"


def test_generation_deleted_before_opening_is_skipped(warehouse, link, monkeypatch):
    found = iter([link.with_name("w.00000000.duckdb"), link])
    monkeypatch.setattr(Generations, "newest", lambda _: next(found))
    assert name_in(warehouse) == "first"


def test_only_three_generations_are_kept(warehouse, link):
    for name in "abcde":
        load(warehouse, name)
    kept = sorted(link.parent.iterdir())
    assert [path.name for path in kept[:-1]] == [
        f"w.0000000{number}.duckdb" for number in (5, 6, 7)
    ]
    assert link.readlink().name == kept[-2].name
    assert not any(path.stat().st_mode & 0o222 for path in kept)


def test_loads_are_read_in_other_processes(warehouse, file, link):
    with program(LOADER, file, "second", ROWS) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert name_in(warehouse) == "second"
    load(warehouse, "third")
    with program(HOLDER, link, "read") as reader:
        assert ask(reader) == "third"


@pytest.mark.parametrize(
    "where",
    [
        "stock_platform.warehouse.duckdb.is_bloated",
        "stock_platform.warehouse.duckdb_generations.shutil.copyfile",
        "pathlib.Path.symlink_to",
    ],
)
def test_create_tables_publishes_after_a_kill(warehouse, file, where):
    load_and_die(file, "second", where)
    assert name_in(warehouse) == "first"
    warehouse.create_tables()
    assert name_in(warehouse) == "second"


def test_next_load_publishes_after_a_kill(warehouse, file):
    load_and_die(file, "second", "pathlib.Path.symlink_to")
    warehouse.replace_table(FACT_STOCK_PRICE, arrow_schema(FACT_STOCK_PRICE).empty_table())
    assert name_in(warehouse) == "second"


def commit_and_die(file):
    """Commit a change without a checkpoint, so that it is in a .wal file only."""
    change = "UPDATE dim_exchange SET ExchangeName = 'changed'"
    code = (
        f"import duckdb, os; c = duckdb.connect({str(file)!r}); c.execute({change!r}); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own code
    assert file.with_name(f"{file.name}.wal").exists()


def test_change_in_wal_file_is_published(warehouse, file):
    commit_and_die(file)
    assert name_in(warehouse) == "first"
    warehouse.create_tables()
    assert name_in(warehouse) == "changed"


@pytest.mark.parametrize("prepare", [lambda _: None, commit_and_die])
def test_file_without_generations_is_read(warehouse, file, link, prepare):
    shutil.rmtree(link.parent)
    prepare(file)
    assert name_in(warehouse) == ("changed" if prepare is commit_and_die else "first")
    assert link.exists()


def test_older_copy_of_file_is_published(warehouse, file, tmp_path):
    copy = shutil.copy2(file, tmp_path / "copy")
    load(warehouse, "second")
    shutil.copy2(copy, file)
    warehouse.create_tables()
    assert name_in(warehouse) == "first"


def test_copy_in_place_of_link_is_replaced(warehouse, link):
    generation = link.resolve()
    link.unlink()
    shutil.copy2(generation, link)
    assert name_in(warehouse) == "first"
    assert link.is_symlink()


def test_damaged_generation_is_named_not_the_file(warehouse, link):
    generation = link.resolve()
    generation.chmod(0o644)
    generation.write_bytes(b"x" * generation.stat().st_size)
    with pytest.raises(WarehouseError, match=f"^{generation} .* delete it"):
        name_in(warehouse)
    generation.unlink()
    assert name_in(warehouse) == "first"


@pytest.mark.parametrize("leftover", [False, True])
def test_missing_file_reads_as_no_tables(warehouse, file, leftover):
    if leftover:
        file.unlink()
    else:
        shutil.rmtree(file.parent)
    assert list(warehouse.columns(DIM_EXCHANGE)) == []
    assert warehouse.contract_differences(DIM_EXCHANGE) == ["the table does not exist"]
    with pytest.raises(duckdb.CatalogException):
        name_in(warehouse)
    assert not file.exists()
    warehouse.create_tables()
    assert name_in(warehouse) is None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mode", ["read", "write"])
def test_opened_file_blocks_loads_only(warehouse, file, link, mode):
    with program(HOLDER, file, mode) as holder:
        assert ask(holder) == "first"
        warehouse.create_tables()
        assert name_in(warehouse) == "first"
        with pytest.raises(
            WarehouseError, match=f"PID {holder.pid}.*close the named one.*{link} read-only"
        ):
            load(warehouse, "second")
    load(warehouse, "second")
    assert name_in(warehouse) == "second"


@pytest.mark.usefixtures("impatient")
def test_long_load_names_its_process(warehouse, file):
    with (
        stopped_load(file, "second", "pathlib.Path.symlink_to") as other,
        pytest.raises(WarehouseError, match=f"process {other.pid} has been loading"),
    ):
        load(warehouse, "third")


def test_nothing_new_is_not_published(warehouse, link):
    newest = link.readlink()
    warehouse.create_tables()
    assert link.readlink() == newest


def test_rejected_load_is_not_published(warehouse, link):
    newest = link.readlink()
    with pytest.raises(WarehouseError):
        warehouse.replace_where(DIM_EXCHANGE, "ExchangeCode", ["1"], warehouse.read(DIM_EXCHANGE))
    assert link.readlink() == newest


@pytest.fixture
def no_compaction_is_too_small(monkeypatch):
    monkeypatch.setattr(duckdb_generations, "_MIN_BLOATED_BYTES", 0)


def test_bloated_file_is_compacted(warehouse, file, link, request):
    load(warehouse, "second", MANY_ROWS)
    size, before = file.stat().st_size, warehouse.read(DIM_EXCHANGE)
    load(warehouse, "second", MANY_ROWS)
    assert file.stat().st_size > 1.5 * size
    load(warehouse, "second", MANY_ROWS)
    request.getfixturevalue("no_compaction_is_too_small")
    load(warehouse, "second", MANY_ROWS)
    assert file.stat().st_size < 1.1 * size
    assert link.stat().st_size == file.stat().st_size
    assert warehouse.read(DIM_EXCHANGE).equals(before)
    with duckdb.connect(link, read_only=True) as connection:
        assert has_tables(connection)


@pytest.mark.usefixtures("no_compaction_is_too_small")
@pytest.mark.parametrize("where", ["files.sync", "Path.replace", "Generations.publish"])
def test_kill_while_compacting_loses_nothing(warehouse, file, where):
    load(warehouse, "first", MANY_ROWS)
    load_and_die(file, "second", f"stock_platform.warehouse.duckdb_generations.{where}", MANY_ROWS)
    leftover = file.with_name("w.duckdb.compacted")
    assert leftover.exists() == (where != "Generations.publish")
    assert name_in(warehouse) == "first"
    warehouse.create_tables()
    assert name_in(warehouse) == "second"
    load(warehouse, "third", MANY_ROWS)
    assert name_in(warehouse) == "third"
    assert not leftover.exists()
