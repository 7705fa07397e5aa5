"""Loads apply what the lake has committed and the warehouse lacks, in one transaction."""

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, LOAD_LOG
from stock_platform.lake import compaction, files
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import ProcessedState, part_uri, read_state
from stock_platform.warehouse import load as load_module
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import Load, WarehouseError
from stock_platform.warehouse.load import Applied, apply_pending
from stock_platform_tests.support.commits import action, add_batch, price
from stock_platform_tests.support.duckdb_processes import apply_and_die

OLD, NEW = "2011-12-30", "2012-01-03"


@pytest.fixture
def paths(tmp_path):
    return LakePaths(str(tmp_path / "lake"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "w.duckdb"


@pytest.fixture
def warehouse(file):
    return DuckDBWarehouse(file)


@pytest.fixture
def transactions(warehouse, monkeypatch):
    """The loads of each transaction."""
    calls = []
    apply = warehouse.apply

    def record(loads, batches, *, rebuild):
        calls.append(list(loads))
        return apply(calls[-1], batches, rebuild=rebuild)

    monkeypatch.setattr(warehouse, "apply", record)
    return calls


def closes(warehouse):
    rows = warehouse.read(FACT_STOCK_PRICE).to_pylist()
    return {(str(row["TradeDate"]), row["SecurityId"]): row["Close"] for row in rows}


def prices(*rows):
    return {"stock_prices": list(rows)}


def test_pending_batches_are_applied_together(paths, warehouse, transactions):
    rows = prices(price("A", OLD), price("A", NEW))
    add_batch(paths, {**rows, "corporate_actions": [action("A", NEW)]}, day=0, sessions=[OLD, NEW])
    add_batch(paths, day=1, reasons=["a rule"])
    add_batch(paths, prices(price("A", NEW, Close=9.0)), day=2)
    applied = apply_pending(paths, warehouse, read_state(paths))
    assert applied.batches == ["batch-0", "batch-2"]
    assert applied.sessions == [OLD, NEW]
    assert applied.loads == {
        FACT_STOCK_PRICE.name: Load(rows=2, replaced=0),
        FACT_CORPORATE_ACTION.name: Load(rows=1, replaced=0),
    }
    assert closes(warehouse) == {(OLD, "A"): 10.0, (NEW, "A"): 9.0}
    assert warehouse.applied_batches() == {"batch-0": 0, "batch-2": 2}
    assert len(transactions) == 1


def test_only_pending_parts_are_loaded(paths, warehouse, transactions):
    add_batch(paths, prices(price("A", NEW), price("B", NEW)), day=0)
    apply_pending(paths, warehouse, read_state(paths))
    commit = add_batch(paths, prices(price("A", NEW, Close=9.0)), day=1)
    apply_pending(paths, warehouse, read_state(paths))
    ((load,),) = transactions[1:]
    assert load.uris == [part_uri(paths, part) for part in commit.parts]
    assert (load.rows, str(load.first), str(load.last)) == (1, NEW, NEW)


def test_nothing_pending_needs_no_transaction(paths, warehouse, transactions):
    assert apply_pending(paths, warehouse, read_state(paths)) == Applied()
    add_batch(paths, prices(price("A")), day=0)
    apply_pending(paths, warehouse, read_state(paths))
    assert apply_pending(paths, warehouse, read_state(paths)) == Applied()
    assert len(transactions) == 1


def test_batch_without_changes_is_logged(paths, warehouse):
    add_batch(paths, day=0)
    assert apply_pending(paths, warehouse, read_state(paths)).sessions == [NEW]
    assert warehouse.applied_batches() == {"batch-0": 0}


@pytest.fixture(params=[1, 3, 4])
def limit(request, monkeypatch):
    """Most rows per load."""
    monkeypatch.setattr(load_module, "_MAX_ROWS_PER_LOAD", request.param)
    return request.param


def test_loads_are_sliced_by_years(paths, warehouse, transactions, limit):
    days = ("2010-01-04", "2011-01-03", "2012-01-03")
    add_batch(paths, prices(*(price("A", day) for day in days)), day=0)
    add_batch(paths, prices(price("A", days[0], Close=9.0)), day=1)
    apply_pending(paths, warehouse, read_state(paths))
    assert len(transactions[0]) == {1: 3, 3: 2, 4: 1}[limit]
    assert list(closes(warehouse).values()) == [9.0, 10.0, 10.0]


def test_batch_with_changed_part_is_skipped(paths, warehouse):
    commit = add_batch(paths, prices(price("A"), price("A", OLD)), day=0)
    uri = part_uri(paths, commit.parts[-1])
    intact = files.read(uri)
    files.write(uri, intact + b" ")
    applied = apply_pending(paths, warehouse, read_state(paths))
    assert applied.skipped.keys() == {"batch-0"}
    assert uri in applied.skipped["batch-0"]
    assert closes(warehouse) == warehouse.applied_batches() == {}
    add_batch(paths, prices(price("B")), day=1)
    assert apply_pending(paths, warehouse, read_state(paths)).batches == ["batch-1"]
    files.write(uri, intact)
    assert "make rebuild-warehouse" in skipped_again(paths, warehouse)["batch-0"]
    assert closes(warehouse) == {(NEW, "B"): 10.0}
    assert not apply_pending(paths, warehouse, read_state(paths), rebuild=True).skipped
    assert len(closes(warehouse)) == 3


def skipped_again(paths, warehouse):
    applied = apply_pending(paths, warehouse, read_state(paths))
    assert not applied.batches
    return applied.skipped


@pytest.mark.parametrize("restored", [[], ["other"]], ids=["lost", "another place"])
def test_unknown_batch_is_named_with_remedy(paths, warehouse, restored):
    add_batch(paths, prices(price("A")), day=0)
    add_batch(paths, prices(price("B")), day=1)
    state = read_state(paths)
    apply_pending(paths, warehouse, state)
    moved = [replace(state.commits[1], sequence=7) for _ in restored]
    with pytest.raises(WarehouseError, match=r"batch-1 as commit 1.*make rebuild-warehouse"):
        apply_pending(paths, warehouse, ProcessedState([state.commits[0], *moved]))
    assert len(closes(warehouse)) == 2


def test_rebuild_equals_lake(paths, warehouse):
    add_batch(paths, prices(price("A")), day=0)
    add_batch(paths, prices(price("B")), day=1)
    state = read_state(paths)
    apply_pending(paths, warehouse, state)
    before = warehouse.read(FACT_STOCK_PRICE)
    assert apply_pending(paths, warehouse, state, rebuild=True).batches == ["batch-0", "batch-1"]
    assert warehouse.read(FACT_STOCK_PRICE).equals(before)


def test_rebuild_from_an_older_lake_is_refused(paths, warehouse, file):
    add_batch(paths, prices(price("A")), day=0)
    add_batch(paths, prices(price("B")), day=1)
    state = read_state(paths)
    apply_pending(paths, warehouse, state)
    older = ProcessedState(state.commits[:1])
    for lake in (older, ProcessedState([])):
        with pytest.raises(WarehouseError, match="delete the batch's row of load_log"):
            apply_pending(paths, warehouse, lake, rebuild=True)
        assert len(closes(warehouse)) == 2
    with duckdb.connect(file) as connection:
        connection.execute("DELETE FROM load_log WHERE BatchId = 'batch-1'")
    apply_pending(paths, warehouse, older, rebuild=True)
    assert closes(warehouse) == {(NEW, "A"): 10.0}


@pytest.mark.parametrize(
    "kill",
    [
        ("duckdb_versions._replace", False),
        ("duckdb_versions.require_all_versions", False),
        ("duckdb_versions.require_all_versions", True),
        ("duckdb.is_bloated", False),
    ],
    ids=["before the rows", "before the log", "before the log of a rebuild", "after the commit"],
)
def test_kill_leaves_all_or_nothing(paths, warehouse, file, kill):
    where, rebuild = kill
    add_batch(paths, prices(price("A"), price("B")), day=0)
    apply_pending(paths, warehouse, read_state(paths))
    tables = (FACT_STOCK_PRICE, FACT_CORPORATE_ACTION, LOAD_LOG)
    before = [warehouse.read(table) for table in tables]
    changes = prices(price("A", Close=9.0), price("B", Change="withdrawn"))
    add_batch(paths, {**changes, "corporate_actions": [action("A")]}, day=1)
    apply_and_die(file, paths.root, f"stock_platform.warehouse.{where}", rebuild=rebuild)
    warehouse.create_tables()
    if where != "duckdb.is_bloated":
        assert [warehouse.read(table) for table in tables] == before
        apply_pending(paths, warehouse, read_state(paths))
    assert closes(warehouse) == {(NEW, "A"): 9.0}
    assert warehouse.read(FACT_CORPORATE_ACTION).num_rows == 1
    assert warehouse.applied_batches() == {"batch-0": 0, "batch-1": 1}
    assert apply_pending(paths, warehouse, read_state(paths)) == Applied()


@pytest.fixture
def compacted(paths):
    """Eight compacted batches and a later one; returns the live parts of both kinds."""
    for day in range(8):
        add_batch(paths, prices(price(f"C-{day}")), day=day)
    compaction.compact(paths, datetime.now(UTC))
    add_batch(paths, prices(price("LATER")), day=50)
    parts = read_state(paths).parts("stock_prices")
    return {part.is_compacted: part_uri(paths, part) for part in parts}


def test_damaged_part_skips_no_compacted_batch(paths, warehouse, compacted):
    files.write(compacted[False], b"damaged")
    applied = apply_pending(paths, warehouse, read_state(paths), rebuild=True)
    assert applied.skipped.keys() == {"batch-50"}
    assert len(closes(warehouse)) == 8


def test_damaged_compacted_part_stops_no_later_batch(paths, warehouse, compacted):
    intact = files.read(compacted[True])
    files.write(compacted[True], b"damaged")
    applied = apply_pending(paths, warehouse, read_state(paths))
    assert applied.batches == ["batch-50"]
    assert len(applied.skipped) == 8
    files.write(compacted[True], intact)
    assert not apply_pending(paths, warehouse, read_state(paths), rebuild=True).skipped
    assert len(closes(warehouse)) == 9


def test_rebuild_that_would_lose_rows_is_refused(paths, warehouse, compacted):
    apply_pending(paths, warehouse, read_state(paths))
    files.write(compacted[True], b"damaged")
    with pytest.raises(WarehouseError, match="would be lost"):
        apply_pending(paths, warehouse, read_state(paths), rebuild=True)
    assert len(closes(warehouse)) == 9
