"""The contract that every warehouse adapter passes: a new adapter is a new fixture parameter."""

import io
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing import get_context

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from stock_platform.contracts import DIM_EXCHANGE, FACT_STOCK_PRICE, STOCK_PRICE_ADJUSTED, TABLES
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.settings.google import BigQuerySettings
from stock_platform.warehouse.bigquery import BigQueryWarehouse
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import Load, WarehouseError
from stock_platform_tests.support.google.cloud import new_bucket, new_dataset

MONDAY, TUESDAY = date(2012, 1, 9), date(2012, 1, 10)
FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PRICES = arrow_schema(FACT_STOCK_PRICE)

duckdb_only = pytest.mark.parametrize("kind", ["duckdb"])
BOTH = ["duckdb", pytest.param("bigquery", marks=pytest.mark.integration)]


@pytest.fixture(params=BOTH)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def bigquery_warehouse(google):
    assert google.environment["BIGQUERY_EMULATOR_HOST"]
    settings = BigQuerySettings(storage_read_api=False)
    adapter = BigQueryWarehouse(bigquery.Client(), new_dataset(), settings, {"deployment": "test"})
    adapter.create_tables()
    return adapter


@pytest.fixture
def warehouse(kind, request, tmp_path):
    if kind == "duckdb":
        adapter = DuckDBWarehouse(tmp_path / "folder" / "w.duckdb")
        adapter.create_tables()
        return adapter
    adapter = request.getfixturevalue("bigquery_warehouse")
    for table in (FACT_STOCK_PRICE, DIM_EXCHANGE):
        if adapter.read(table).num_rows:
            adapter.replace_table(table, arrow_schema(table).empty_table())
    return adapter


def price(day, ticker, close=10.0, volume=100):
    keys = {"DateKey": int(f"{day:%Y%m%d}"), "TradeDate": day, "Ticker": ticker}
    bar = dict.fromkeys(("Open", "High", "Low", "Close"), close)
    source = {"Currency": "USD", "FetchedAt": FETCHED_AT, "BatchId": "b"}
    shares = {"Volume": volume, "YahooAdjClose": None}
    return {**keys, "ExchangeCode": "XNYS", **bar, **shares, **source}


@pytest.fixture
def parquet(kind, tmp_path):
    """Write rows to a Parquet file where the adapter can read it, and return its URI."""
    folder = f"gs://{new_bucket()}" if kind == "bigquery" else str(tmp_path)

    def write(name, rows, schema=PRICES):
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), content)
        uri = f"{folder}/{name}.parquet"
        files.write(uri, content.getvalue())
        return uri

    return write


@pytest.fixture
def load(warehouse, parquet):
    """Replace sessions by rows: Monday's by default."""

    def load_rows(*rows, days=(MONDAY,)):
        return warehouse.replace_sessions(
            FACT_STOCK_PRICE, [parquet("rows", rows)], days, len(rows)
        )

    return load_rows


def closes(warehouse, sessions=None):
    rows = warehouse.read(FACT_STOCK_PRICE, sessions).to_pylist()
    return {(row["TradeDate"], row["Ticker"]): row["Close"] for row in rows}


def test_creating_tables_again_keeps_rows(warehouse, load):
    load(price(MONDAY, "A"))
    warehouse.create_tables()
    assert warehouse.read(FACT_STOCK_PRICE).num_rows == 1
    assert all(warehouse.read(table).num_rows in {0, 1} for table in TABLES.values())


def test_only_named_sessions_are_replaced(warehouse, load):
    both = price(MONDAY, "A", 1), price(MONDAY, "B", 2), price(TUESDAY, "A", 3)
    load(*both, days=[MONDAY, TUESDAY])
    assert load(price(MONDAY, "A", 9)) == Load(rows=1, replaced=2)
    assert closes(warehouse) == {(MONDAY, "A"): 9, (TUESDAY, "A"): 3}


def test_repeated_load_changes_nothing(warehouse, parquet):
    uris = [parquet("m", [price(MONDAY, "A")]), parquet("t", [price(TUESDAY, "A")])]
    warehouse.replace_sessions(FACT_STOCK_PRICE, uris, [MONDAY, TUESDAY], 2)
    before = warehouse.read(FACT_STOCK_PRICE)
    warehouse.replace_sessions(FACT_STOCK_PRICE, uris, [MONDAY, TUESDAY], 2)
    assert warehouse.read(FACT_STOCK_PRICE).equals(before)


def test_session_without_objects_becomes_empty(warehouse, load):
    load(price(MONDAY, "A"))
    assert warehouse.replace_sessions(FACT_STOCK_PRICE, [], [MONDAY], 0) == Load(0, 1)
    assert closes(warehouse) == {}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([price(MONDAY, "A")], 2),
        ([price(MONDAY, "A"), price(TUESDAY, "A")], 2),
        ([{**price(MONDAY, "A"), "Currency": None}], 1),
    ],
    ids=["missing rows", "unnamed session", "null in a required column"],
)
def test_invalid_load_changes_nothing(warehouse, load, parquet, rows, expected):
    load(price(MONDAY, "Z"))
    nullable = pa.schema([field.with_nullable(nullable=True) for field in PRICES])
    bad = parquet("bad", rows, nullable)
    with pytest.raises(WarehouseError):
        warehouse.replace_sessions(FACT_STOCK_PRICE, [bad], [MONDAY], expected)
    assert closes(warehouse) == {(MONDAY, "Z"): 10.0}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {k: v for k, v in row.items() if k != "Volume"},
        lambda row: {**row, "Extra": 1},
        lambda row: {**row, "Volume": "100"},
    ],
    ids=["missing column", "extra column", "other type"],
)
def test_contract_violations_name_their_column(warehouse, parquet, change):
    file = parquet("odd", [change(price(MONDAY, "A"))], schema=None)
    with pytest.raises(WarehouseError, match=r"contract.*(Volume|Extra)"):
        warehouse.replace_sessions(FACT_STOCK_PRICE, [file], [MONDAY], 1)


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


def test_times_and_text_round_trip(warehouse, load):
    odd = price(MONDAY, "^GSPC';--", 0.1 + 0.2, 2**53 + 1)
    load(odd)
    assert warehouse.read(FACT_STOCK_PRICE, [MONDAY]).to_pylist() == [odd]


def test_query_parameters_are_escaped(warehouse):
    sql = "SELECT @text AS text, @day IN UNNEST(@days) AS found"
    rows = warehouse.query(sql, {"text": "'; DROP", "day": MONDAY, "days": [MONDAY, TUESDAY]})
    assert rows.to_pylist() == [{"text": "'; DROP", "found": True}]


def test_view_has_contract_columns(warehouse):
    assert warehouse.read(STOCK_PRICE_ADJUSTED).column_names == list(
        STOCK_PRICE_ADJUSTED.column_names
    )


def load_day(arguments):
    file, uri, day = arguments
    DuckDBWarehouse(file).replace_sessions(FACT_STOCK_PRICE, [uri], [day], 1)


@duckdb_only
# Not multiprocessing.Pool, whose end terminates idle workers and may wait for them indefinitely.
@pytest.mark.parametrize(
    "pool",
    [partial(ProcessPoolExecutor, 2, get_context("spawn")), partial(ThreadPoolExecutor, 4)],
    ids=["processes", "threads"],
)
def test_processes_and_threads_share_file(tmp_path, parquet, pool):
    file = tmp_path / "shared.duckdb"
    DuckDBWarehouse(file).create_tables()
    days = [date(2012, 1, day) for day in range(9, 13)]
    jobs = [(file, parquet(str(day), [price(day, "A")]), day) for day in days]
    with pool() as workers:
        list(workers.map(load_day, jobs))
    assert len(closes(DuckDBWarehouse(file))) == len(days)


def test_invalid_file_fails_at_once(tmp_path):
    (tmp_path / "w.duckdb").write_text("no database" * 1000)
    with pytest.raises((WarehouseError, duckdb.Error)):
        DuckDBWarehouse(tmp_path / "w.duckdb").create_tables()


def test_frames_have_real_types(warehouse, load):
    load(price(MONDAY, "A"))
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
