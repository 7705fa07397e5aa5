"""Every adapter applies batches of versions as a whole, and changes no other row."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE, LOAD_LOG
from stock_platform.lake import files
from stock_platform.lake.files import CorruptObjectError
from stock_platform.warehouse.interface import Load, WarehouseError
from stock_platform_tests.support.commits import action, known, loaded_batch, price

MONDAY, TUESDAY = "2012-01-09", "2012-01-10"
PRICES, ACTIONS = FACT_STOCK_PRICE.name, FACT_CORPORATE_ACTION.name
TABLES = (FACT_STOCK_PRICE, FACT_CORPORATE_ACTION, LOAD_LOG)
NOTHING = Load(rows=0, replaced=0)


def closes(warehouse):
    rows = warehouse.read(FACT_STOCK_PRICE).to_pylist()
    return {(str(row["TradeDate"]), row["SecurityId"]): row["Close"] for row in rows}


def withdrawn(row):
    return {**row, "Change": "withdrawn"}


def test_other_rows_stay_equal(warehouse, apply):
    apply(price("A", MONDAY), price("B", MONDAY), price("A", TUESDAY), actions=[action("A")])
    prices, actions = warehouse.read(FACT_STOCK_PRICE), warehouse.read(FACT_CORPORATE_ACTION)
    restated = price("A", MONDAY, Close=9.0, Change="restated")
    assert apply(restated, day=1) == {PRICES: Load(rows=1, replaced=1), ACTIONS: NOTHING}
    after = warehouse.read(FACT_STOCK_PRICE)
    assert after.slice(1).equals(prices.slice(1))
    assert after["Close"].to_pylist() == [9.0, 10.0, 10.0]
    assert after["BatchId"].to_pylist() == ["batch-1", "batch-0", "batch-0"]
    assert warehouse.read(FACT_CORPORATE_ACTION).equals(actions)


def test_withdrawn_rows_are_deleted(warehouse, apply):
    apply(price("A", MONDAY), price("B", MONDAY))
    gone = [withdrawn(price("A", MONDAY)), withdrawn(price("C", MONDAY))]
    assert apply(*gone, day=1)[PRICES] == Load(rows=0, replaced=1)
    assert closes(warehouse) == {(MONDAY, "B"): 10.0}


def test_newest_of_several_batches_wins(warehouse, load_of):
    load = load_of(
        FACT_STOCK_PRICE,
        d7=[price("A", MONDAY), price("B", MONDAY), withdrawn(price("C", MONDAY))],
        d8=[price("A", MONDAY, Close=8.0), withdrawn(price("B", MONDAY))],
        d9=[price("A", MONDAY, Close=9.0), price("C", MONDAY, Close=9.0)],
    )
    loads = warehouse.apply([load], [loaded_batch(7, 3), loaded_batch(8, 2), loaded_batch(9, 2)])
    assert loads[PRICES] == Load(rows=2, replaced=0)
    assert closes(warehouse) == {(MONDAY, "A"): 9.0, (MONDAY, "C"): 9.0}


def test_rows_can_move_to_another_key(warehouse, apply):
    kept = action("A", MONDAY, ActionType="split")
    apply(price("A", MONDAY), actions=[action("A", MONDAY), kept])
    moved = [withdrawn(action("A", MONDAY)), action("A", TUESDAY)]
    apply(withdrawn(price("A", MONDAY)), price("B", MONDAY), actions=moved, day=1)
    assert closes(warehouse) == {(MONDAY, "B"): 10.0}
    rows = warehouse.read(FACT_CORPORATE_ACTION).to_pylist()
    found = [(str(row["TradeDate"]), row["ActionType"], row["BatchId"]) for row in rows]
    assert found == [(MONDAY, "split", "batch-0"), (TUESDAY, "dividend", "batch-1")]


def test_rows_of_other_batches_are_ignored(warehouse, load_of):
    one, two = [price("A", MONDAY)], [price("A", MONDAY, Close=9.0), price("B", MONDAY)]
    both = load_of(FACT_STOCK_PRICE, d0=one, d1=two)
    warehouse.apply([replace(both, rows=1)], [loaded_batch(0, 1)])
    assert closes(warehouse) == {(MONDAY, "A"): 10.0}
    warehouse.apply([replace(both, rows=2)], [loaded_batch(1, 2)])
    assert closes(warehouse) == {(MONDAY, "A"): 9.0, (MONDAY, "B"): 10.0}


def test_log_contains_applied_batches(warehouse, apply):
    before = datetime.now(UTC)
    assert warehouse.applied_batches() == {}
    apply(price("A", MONDAY), price("B", MONDAY), actions=[action("A", MONDAY)], day=3)
    apply(day=5)
    assert warehouse.applied_batches() == {"batch-3": 3, "batch-5": 5}
    rows = warehouse.read(LOAD_LOG).to_pylist()
    applied_at = [row.pop("AppliedAt") for row in rows]
    assert applied_at == sorted(applied_at)
    assert before < applied_at[0] < datetime.now(UTC)
    assert [tuple(row.values()) for row in rows] == [
        (3, "batch-3", known(3), 2, 1),
        (5, "batch-5", known(5), 0, 0),
    ]


@pytest.mark.parametrize("day", [1, 0], ids=["same batch", "earlier batch"])
def test_applied_batches_are_rejected(warehouse, apply, day):
    apply(price("A", MONDAY), day=1)
    with pytest.raises(WarehouseError, match="applied meanwhile"):
        apply(price("A", MONDAY, Close=9.0), day=day)
    assert closes(warehouse) == {(MONDAY, "A"): 10.0}
    assert warehouse.applied_batches() == {"batch-1": 1}


def test_rebuild_replaces_everything(warehouse, apply):
    apply(price("A", MONDAY), price("B", TUESDAY), actions=[action("A", MONDAY)])
    loads = apply(price("A", MONDAY, Close=9.0), rebuild=True)
    assert loads == {PRICES: Load(rows=1, replaced=2), ACTIONS: Load(rows=0, replaced=1)}
    assert closes(warehouse) == {(MONDAY, "A"): 9.0}
    assert warehouse.read(FACT_CORPORATE_ACTION).num_rows == 0
    assert warehouse.applied_batches() == {"batch-0": 0}


@pytest.mark.parametrize(
    "invalid",
    [
        ([price("A", MONDAY)], {"rows": 2}, False),
        ([price("A", TUESDAY)], {"first": date(2012, 1, 2), "last": date(2012, 1, 9)}, False),
        ([price("A", MONDAY)] * 2, {}, False),
        ([price("A", MONDAY)] * 2, {}, True),
    ],
    ids=["missing rows", "other date", "key twice", "key twice in a rebuild"],
)
def test_invalid_load_changes_nothing(warehouse, apply, load_of, invalid):
    rows, changes, rebuild = invalid
    apply(price("A", MONDAY), price("Z", MONDAY), actions=[action("Z", MONDAY)])
    facts = [warehouse.read(table) for table in TABLES]
    good = load_of(FACT_CORPORATE_ACTION, d1=[action("A", MONDAY)])
    bad = replace(load_of(FACT_STOCK_PRICE, d1=rows), **changes)
    with pytest.raises(WarehouseError):
        warehouse.apply([good, bad], [loaded_batch(1, bad.rows, 1)], rebuild=rebuild)
    assert [warehouse.read(table) for table in TABLES] == facts


def test_missing_load_changes_nothing(warehouse, load_of):
    load = load_of(FACT_STOCK_PRICE, d0=[price("A", MONDAY)])
    with pytest.raises(WarehouseError, match=f"{PRICES}: the batches have 2 versions, the loads 1"):
        warehouse.apply([load], [loaded_batch(0, 2)])
    with pytest.raises(WarehouseError, match=f"{ACTIONS}: the batches have 1 version"):
        warehouse.apply([load], [loaded_batch(0, 1, 1)])
    assert closes(warehouse) == warehouse.applied_batches() == {}


def test_damaged_object_changes_nothing(warehouse, load_of):
    def loads():
        yield load_of(FACT_STOCK_PRICE, d0=[price("A", MONDAY)])
        raise CorruptObjectError("damaged")

    with pytest.raises(CorruptObjectError, match="damaged"):
        warehouse.apply(loads(), [loaded_batch(0, 1)])
    assert closes(warehouse) == warehouse.applied_batches() == {}


def rewrite(uri, change):
    """Change the rows of an object."""
    content = pa.BufferOutputStream()
    pq.write_table(change(pq.read_table(pa.BufferReader(files.read(uri)))), content)
    files.write(uri, bytes(content.getvalue()))


def test_null_in_required_column_is_rejected(warehouse, load_of):
    def without_currency(rows):
        nothing = pa.array([None], pa.string())
        return rows.set_column(rows.column_names.index("Currency"), "Currency", nothing)

    load = load_of(FACT_STOCK_PRICE, d0=[price("A", MONDAY)])
    rewrite(load.uris[0], without_currency)
    with pytest.raises(WarehouseError):
        warehouse.apply([load], [loaded_batch(0, 1)])
    assert closes(warehouse) == warehouse.applied_batches() == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop_columns("Volume"),
        lambda rows: rows.drop_columns("Change"),
        lambda rows: rows.append_column("Extra", [[1]]),
        lambda rows: rows.set_column(rows.column_names.index("Volume"), "Volume", [["100"]]),
    ],
    ids=["missing column", "missing column of versions", "extra column", "other type"],
)
def test_contract_violations_name_their_column(warehouse, load_of, change):
    load = load_of(FACT_STOCK_PRICE, d0=[price("A", MONDAY)])
    rewrite(load.uris[0], change)
    with pytest.raises(WarehouseError, match=r"contract.*(Volume|Extra|Change)"):
        warehouse.apply([load], [loaded_batch(0, 1)])


def test_recreated_table_is_empty(warehouse, apply):
    apply(price("A", MONDAY), actions=[action("A", MONDAY)])
    warehouse.recreate(FACT_STOCK_PRICE)
    assert warehouse.read(FACT_STOCK_PRICE).num_rows == 0
    assert warehouse.read(FACT_CORPORATE_ACTION).num_rows == 1
    warehouse.create_tables()
    assert list(warehouse.contract_differences(FACT_STOCK_PRICE)) == []
