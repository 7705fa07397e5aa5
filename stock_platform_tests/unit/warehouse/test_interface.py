"""The contract that every warehouse adapter passes. Adding one adds a fixture parameter."""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from multiprocessing import get_context

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery, storage

from stock_platform.contracts import DIM_EXCHANGE, FACT_STOCK_PRICE, STOCK_PRICE_ADJUSTED, TABLES
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.settings.google import BigQuerySettings
from stock_platform.warehouse.bigquery import BigQueryWarehouse
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import Load, WarehouseError

MONDAY, TUESDAY = date(2012, 1, 9), date(2012, 1, 10)
FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


duckdb_only = pytest.mark.parametrize("kind", ["duckdb"])
BOTH = ["duckdb", pytest.param("bigquery", marks=pytest.mark.integration)]


@pytest.fixture(params=BOTH)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def bigquery_warehouse(google):
    assert google.environment["BIGQUERY_EMULATOR_HOST"]
    client = bigquery.Client()
    dataset = client.create_dataset(f"d{uuid.uuid4().hex}")
    name = f"{dataset.project}.{dataset.dataset_id}"
    settings = BigQuerySettings(storage_read_api=False)
    adapter = BigQueryWarehouse(client, name, settings, {"deployment": "test"})
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
    return {
        "DateKey": int(day.strftime("%Y%m%d")),
        "TradeDate": day,
        "Ticker": ticker,
        "ExchangeCode": "XNYS",
        "Open": close,
        "High": close,
        "Low": close,
        "Close": close,
        "Volume": volume,
        "AdjClose": None,
        "Currency": "USD",
        "FetchedAt": FETCHED_AT,
        "BatchId": "b",
    }


@pytest.fixture
def place(kind, tmp_path):
    """Where the objects of a load lie."""
    if kind == "duckdb":
        return str(tmp_path)
    return f"gs://{storage.Client().create_bucket(f'b{uuid.uuid4().hex}').name}"


@pytest.fixture
def parquet(place):
    def write(name, rows, schema=None):
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), content)
        uri = f"{place}/{name}.parquet"
        files.write(uri, content.getvalue())
        return uri

    def of_prices(name, rows, schema=None):
        return write(name, rows, schema or arrow_schema(FACT_STOCK_PRICE))

    of_prices.of_any = write
    return of_prices


def closes(warehouse, sessions=None):
    rows = warehouse.read(FACT_STOCK_PRICE, sessions).to_pylist()
    return {(row["TradeDate"], row["Ticker"]): row["Close"] for row in rows}


def test_creating_tables_again_keeps_their_rows(warehouse, parquet):
    warehouse.replace_sessions(FACT_STOCK_PRICE, [parquet("m", [price(MONDAY, "A")])], [MONDAY], 1)
    warehouse.create_tables()
    assert warehouse.read(FACT_STOCK_PRICE).num_rows == 1
    assert all(warehouse.read(table).num_rows in {0, 1} for table in TABLES.values())


def test_sessions_are_replaced_and_others_left_alone(warehouse, parquet):
    both = parquet("both", [price(MONDAY, "A", 1), price(MONDAY, "B", 2), price(TUESDAY, "A", 3)])
    warehouse.replace_sessions(FACT_STOCK_PRICE, [both], [MONDAY, TUESDAY], 3)
    load = warehouse.replace_sessions(
        FACT_STOCK_PRICE, [parquet("new", [price(MONDAY, "A", 9)])], [MONDAY], 1
    )
    assert load == Load(rows=1, replaced=2)
    assert closes(warehouse) == {(MONDAY, "A"): 9, (TUESDAY, "A"): 3}


def test_the_same_load_twice_changes_nothing(warehouse, parquet):
    uris = [parquet("m", [price(MONDAY, "A")]), parquet("t", [price(TUESDAY, "A")])]
    warehouse.replace_sessions(FACT_STOCK_PRICE, uris, [MONDAY, TUESDAY], 2)
    before = warehouse.read(FACT_STOCK_PRICE)
    warehouse.replace_sessions(FACT_STOCK_PRICE, uris, [MONDAY, TUESDAY], 2)
    assert warehouse.read(FACT_STOCK_PRICE).equals(before)


def test_a_session_without_objects_becomes_empty(warehouse, parquet):
    warehouse.replace_sessions(FACT_STOCK_PRICE, [parquet("m", [price(MONDAY, "A")])], [MONDAY], 1)
    assert warehouse.replace_sessions(FACT_STOCK_PRICE, [], [MONDAY], 0) == Load(0, 1)
    assert closes(warehouse) == {}


@pytest.mark.parametrize(
    ("rows", "sessions", "expected"),
    [
        ([price(MONDAY, "A")], [MONDAY], 2),
        ([price(MONDAY, "A"), price(TUESDAY, "A")], [MONDAY], 2),
        ([{**price(MONDAY, "A"), "Currency": None}], [MONDAY], 1),
    ],
    ids=["rows are missing", "a session nobody named", "null in a required column"],
)
def test_a_load_that_is_wrong_changes_nothing(warehouse, parquet, rows, sessions, expected):
    warehouse.replace_sessions(FACT_STOCK_PRICE, [parquet("m", [price(MONDAY, "Z")])], [MONDAY], 1)
    loose = pa.schema(
        [field.with_nullable(nullable=True) for field in arrow_schema(FACT_STOCK_PRICE)]
    )
    with pytest.raises(WarehouseError):
        warehouse.replace_sessions(
            FACT_STOCK_PRICE, [parquet("bad", rows, loose)], sessions, expected
        )
    assert closes(warehouse) == {(MONDAY, "Z"): 10.0}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {k: v for k, v in row.items() if k != "Volume"},
        lambda row: {**row, "Extra": 1},
        lambda row: {**row, "Volume": "100"},
    ],
    ids=["a column is missing", "a column too many", "another type"],
)
def test_objects_that_break_the_contract_are_refused_by_column(warehouse, parquet, change):
    file = parquet.of_any("odd", [change(price(MONDAY, "A"))])
    with pytest.raises(WarehouseError, match=r"contract.*(Volume|Extra)"):
        warehouse.replace_sessions(FACT_STOCK_PRICE, [file], [MONDAY], 1)


def exchange(code, name="An exchange"):
    return {
        "ExchangeCode": code,
        "ExchangeName": name,
        "Country": "US",
        "City": None,
        "Timezone": "America/New_York",
        "Currency": "USD",
        "YahooSuffix": "",
        "IsVanished": False,
        "CalendarCode": None,
    }


def test_a_table_is_replaced_whole(warehouse):
    schema = arrow_schema(DIM_EXCHANGE)
    first = pa.Table.from_pylist([exchange("XNYS"), exchange("XNAS")], schema=schema)
    assert warehouse.replace_table(DIM_EXCHANGE, first) == Load(2, 0)
    second = pa.Table.from_pylist([exchange("XNYS", "renamed")], schema=schema)
    assert warehouse.replace_table(DIM_EXCHANGE, second) == Load(1, 2)
    assert warehouse.read(DIM_EXCHANGE).equals(second)


def test_rows_that_do_not_fit_leave_the_table_as_it_was(warehouse):
    schema = arrow_schema(DIM_EXCHANGE)
    warehouse.replace_table(DIM_EXCHANGE, pa.Table.from_pylist([exchange("XNYS")], schema=schema))
    with pytest.raises(WarehouseError, match="contract"):
        warehouse.replace_table(DIM_EXCHANGE, pa.table({"ExchangeCode": ["XNAS"]}))
    assert warehouse.read(DIM_EXCHANGE)["ExchangeCode"].to_pylist() == ["XNYS"]


def test_times_and_text_come_back_as_they_were(warehouse, parquet):
    odd = price(MONDAY, "^GSPC';--", 0.1 + 0.2, 2**53 + 1)
    warehouse.replace_sessions(FACT_STOCK_PRICE, [parquet("odd", [odd])], [MONDAY], 1)
    assert warehouse.read(FACT_STOCK_PRICE, [MONDAY]).to_pylist() == [odd]


def test_a_query_takes_parameters_and_never_text(warehouse):
    sql = "SELECT @text AS said, @day IN UNNEST(@days) AS found"
    answer = warehouse.query(sql, {"text": "'; DROP", "day": MONDAY, "days": [MONDAY, TUESDAY]})
    assert answer.to_pylist() == [{"said": "'; DROP", "found": True}]


def test_the_view_has_the_columns_of_its_contract(warehouse):
    assert warehouse.read(STOCK_PRICE_ADJUSTED).column_names == list(
        STOCK_PRICE_ADJUSTED.column_names
    )


def load_day(arguments):
    file, uri, day = arguments
    DuckDBWarehouse(file).replace_sessions(FACT_STOCK_PRICE, [uri], [day], 1)


@duckdb_only
def test_processes_that_want_the_file_at_once_wait_for_each_other(tmp_path, parquet):
    file = tmp_path / "shared.duckdb"
    DuckDBWarehouse(file).create_tables()
    days = [date(2012, 1, day) for day in range(9, 13)]
    jobs = [(file, parquet(str(day), [price(day, "A")]), day) for day in days]
    with get_context("spawn").Pool(2) as pool:
        pool.map(load_day, jobs, chunksize=1)
    assert len(closes(DuckDBWarehouse(file))) == len(days)


@duckdb_only
def test_threads_of_one_process_share_the_file(tmp_path, parquet):
    file = tmp_path / "shared.duckdb"
    DuckDBWarehouse(file).create_tables()
    days = [date(2012, 1, day) for day in range(9, 13)]
    jobs = [(file, parquet(str(day), [price(day, "A")]), day) for day in days]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load_day, jobs))
    assert len(closes(DuckDBWarehouse(file))) == len(days)


def test_a_file_that_is_no_database_is_not_waited_for(tmp_path):
    (tmp_path / "w.duckdb").write_text("no database" * 1000)
    with pytest.raises((WarehouseError, duckdb.Error)):
        DuckDBWarehouse(tmp_path / "w.duckdb").create_tables()


def test_frames_have_real_types(warehouse, parquet):
    warehouse.replace_sessions(FACT_STOCK_PRICE, [parquet("m", [price(MONDAY, "A")])], [MONDAY], 1)
    frame = warehouse.read(FACT_STOCK_PRICE).to_pandas()
    assert isinstance(frame["FetchedAt"].dtype, pd.DatetimeTZDtype)
    assert str(frame["Volume"].dtype) == "int64"


def venue(code, name="x"):
    row = {"ExchangeCode": code, "ExchangeName": name, "Timezone": "UTC", "Currency": "USD"}
    return {**row, "YahooSuffix": "", "IsVanished": False}


def exchanges(*rows):
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(DIM_EXCHANGE))


def test_rows_of_some_values_are_replaced_and_others_left_alone(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges(venue("A"), venue("B"), venue("C")))
    load = warehouse.replace_where(
        DIM_EXCHANGE, "ExchangeCode", ["A", "B", "D"], exchanges(venue("A", "new"))
    )
    assert load == Load(rows=1, replaced=2)
    names = {row["ExchangeCode"]: row["ExchangeName"] for row in rows_of(warehouse)}
    assert names == {"A": "new", "C": "x"}


def test_rows_of_a_value_that_was_not_named_are_refused(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges(venue("A")))
    with pytest.raises(WarehouseError, match="nothing was changed"):
        warehouse.replace_where(DIM_EXCHANGE, "ExchangeCode", ["A"], exchanges(venue("B")))
    assert [row["ExchangeCode"] for row in rows_of(warehouse)] == ["A"]


def rows_of(warehouse):
    return warehouse.read(DIM_EXCHANGE).to_pylist()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_that_was_just_made_is_as_its_contract_says(warehouse, table):
    assert list(warehouse.contract_differences(table)) == []


@duckdb_only
def test_what_somebody_changed_by_hand_differs_from_the_contract(warehouse, tmp_path):
    with duckdb.connect(str(tmp_path / "folder" / "w.duckdb")) as connection:
        connection.execute("ALTER TABLE dim_exchange ADD COLUMN Note VARCHAR")
        connection.execute("ALTER TABLE dim_exchange DROP COLUMN City")
        connection.execute("ALTER TABLE dim_exchange ALTER COLUMN Timezone DROP NOT NULL")
    assert list(warehouse.contract_differences(DIM_EXCHANGE)) == [
        "City: missing, expected VARCHAR",
        "Timezone: VARCHAR, expected VARCHAR NOT NULL",
        "Note: VARCHAR, expected no such column",
    ]
