"""The contract that every warehouse adapter passes: a new adapter is a new fixture parameter."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing import get_context

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from stock_platform.contracts import DIM_EXCHANGE, FACT_STOCK_PRICE, STOCK_PRICE_ADJUSTED, TABLES
from stock_platform.contracts.render import arrow_schema
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import Load, WarehouseError
from stock_platform_tests.support.commits import price

MONDAY = date(2012, 1, 9)
FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

duckdb_only = pytest.mark.parametrize("kind", ["duckdb"])


def test_creating_tables_again_keeps_rows(warehouse, apply):
    apply(price("A"))
    warehouse.create_tables()
    assert warehouse.read(FACT_STOCK_PRICE).num_rows == 1
    assert all(warehouse.read(table).num_rows in {0, 1} for table in TABLES.values())


def exchanges(**names):
    """Rows of exchanges, by code and name."""
    common = {"Timezone": "UTC", "Currency": "USD", "YahooSuffix": "", "IsMissingFromExport": False}
    rows = [{"ExchangeCode": code, "ExchangeName": name, **common} for code, name in names.items()]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DIM_EXCHANGE))


def exchange_names(warehouse):
    rows = warehouse.read(DIM_EXCHANGE).to_pylist()
    return {row["ExchangeCode"]: row["ExchangeName"] for row in rows}


def test_whole_table_is_replaced(warehouse):
    assert warehouse.replace_table(DIM_EXCHANGE, exchanges(XNYS="x", XNAS="x")) == Load(2, 0)
    second = exchanges(XNYS="renamed")
    assert warehouse.replace_table(DIM_EXCHANGE, second) == Load(1, 2)
    assert warehouse.read(DIM_EXCHANGE).equals(second)


def test_invalid_rows_leave_table_unchanged(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges(XNYS="x"))
    with pytest.raises(WarehouseError, match="contract"):
        warehouse.replace_table(DIM_EXCHANGE, pa.table({"ExchangeCode": ["XNAS"]}))
    assert exchange_names(warehouse) == {"XNYS": "x"}


def test_times_and_text_round_trip(warehouse, apply):
    odd = price("^GSPC';--", str(MONDAY), Close=0.1 + 0.2, Volume=2**53 + 1, FetchedAt=FETCHED_AT)
    apply(odd)
    (row,) = warehouse.read(FACT_STOCK_PRICE, [MONDAY]).to_pylist()
    assert {**row, "Change": "new"} == {**odd, "BatchId": "batch-0"}


def test_query_parameters_are_escaped(warehouse):
    sql = "SELECT @text AS text, @day IN UNNEST(@days) AS found"
    rows = warehouse.query(sql, {"text": "'; DROP", "day": MONDAY, "days": [MONDAY]})
    assert rows.to_pylist() == [{"text": "'; DROP", "found": True}]


def test_view_has_contract_columns(warehouse):
    assert warehouse.read(STOCK_PRICE_ADJUSTED).column_names == list(
        STOCK_PRICE_ADJUSTED.column_names
    )


def load_exchange(arguments):
    file, code = arguments
    DuckDBWarehouse(file).replace_where(
        DIM_EXCHANGE, "ExchangeCode", [code], exchanges(**{code: "x"})
    )


# Not multiprocessing.Pool, whose end terminates idle workers and may wait for them indefinitely.
@pytest.mark.parametrize(
    "pool",
    [partial(ProcessPoolExecutor, 2, get_context("spawn")), partial(ThreadPoolExecutor, 4)],
    ids=["processes", "threads"],
)
def test_processes_and_threads_share_file(tmp_path, pool):
    file = tmp_path / "shared.duckdb"
    DuckDBWarehouse(file).create_tables()
    with pool() as workers:
        list(workers.map(load_exchange, [(file, code) for code in "ABCD"]))
    assert exchange_names(DuckDBWarehouse(file)) == dict.fromkeys("ABCD", "x")


def test_invalid_file_fails_at_once(tmp_path):
    (tmp_path / "w.duckdb").write_text("no database" * 1000)
    with pytest.raises((WarehouseError, duckdb.Error)):
        DuckDBWarehouse(tmp_path / "w.duckdb").create_tables()


def test_frames_have_real_types(warehouse, apply):
    apply(price("A"))
    frame = warehouse.read(FACT_STOCK_PRICE).to_pandas()
    assert isinstance(frame["FetchedAt"].dtype, pd.DatetimeTZDtype)
    assert str(frame["Volume"].dtype) == "int64"


def test_only_named_values_are_replaced(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges(A="x", B="x", C="x"))
    load = warehouse.replace_where(
        DIM_EXCHANGE, "ExchangeCode", ["A", "B", "D"], exchanges(A="new")
    )
    assert load == Load(rows=1, replaced=2)
    assert exchange_names(warehouse) == {"A": "new", "C": "x"}


def test_rows_of_unnamed_value_are_rejected(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges(A="x"))
    with pytest.raises(WarehouseError, match="nothing was changed"):
        warehouse.replace_where(DIM_EXCHANGE, "ExchangeCode", ["A"], exchanges(B="x"))
    assert exchange_names(warehouse) == {"A": "x"}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_new_table_satisfies_contract(warehouse, table):
    assert list(warehouse.contract_differences(table)) == []


@duckdb_only
def test_manual_changes_differ_from_contract(warehouse, tmp_path):
    with duckdb.connect(str(tmp_path / "folder" / "w.duckdb")) as connection:
        connection.execute("ALTER TABLE dim_exchange ADD COLUMN Note VARCHAR")
        connection.execute("ALTER TABLE dim_exchange DROP COLUMN City")
        connection.execute("ALTER TABLE dim_exchange ALTER COLUMN Timezone DROP NOT NULL")
    warehouse.create_tables()
    assert list(warehouse.contract_differences(DIM_EXCHANGE)) == [
        "City: missing, expected VARCHAR",
        "Timezone: VARCHAR, expected VARCHAR NOT NULL",
        "Note: VARCHAR, expected no such column",
    ]
