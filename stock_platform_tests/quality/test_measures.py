"""Counting in the warehouse: repeated keys and references that nothing answers."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stock_platform.contracts import DIM_EXCHANGE, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.quality.measures import tables
from stock_platform.warehouse.duckdb import DuckDBWarehouse

MONDAY, TUESDAY = date(2012, 1, 9), date(2012, 1, 10)


@pytest.fixture
def warehouse(tmp_path):
    adapter = DuckDBWarehouse(tmp_path / "w.duckdb")
    adapter.create_tables()
    return adapter


def exchanges(*codes):
    row = {"ExchangeName": "x", "Timezone": "UTC", "Currency": "USD", "YahooSuffix": ""}
    row |= {"IsVanished": False}
    rows = [{**row, "ExchangeCode": code} for code in codes]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DIM_EXCHANGE))


def test_a_repeated_key_counts_each_row_beyond_the_first(warehouse):
    warehouse.replace_table(DIM_EXCHANGE, exchanges("XNYS", "XNYS", "XNYS", "XNAS"))
    measure = tables.whole_table(warehouse, DIM_EXCHANGE)
    assert (measure.rows, measure.duplicate_keys) == (4, 2)


def test_an_empty_table_has_no_rows_and_no_offence(warehouse):
    measure = tables.whole_table(warehouse, DIM_EXCHANGE)
    assert (measure.rows, measure.duplicate_keys) == (0, 0)


def test_facts_are_counted_session_by_session(warehouse, tmp_path):
    warehouse.replace_table(DIM_EXCHANGE, exchanges("XNYS"))
    rows = [price(MONDAY, "A"), price(MONDAY, "A"), price(TUESDAY, "A", exchange="XXXX")]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=arrow_schema(FACT_STOCK_PRICE)), tmp_path / "p.parquet"
    )
    warehouse.replace_sessions(
        FACT_STOCK_PRICE, [str(tmp_path / "p.parquet")], [MONDAY, TUESDAY], 3
    )
    found = tables._key_counts(warehouse, FACT_STOCK_PRICE, [MONDAY, TUESDAY])  # noqa: SLF001
    assert found == {MONDAY: (2, 1), TUESDAY: (1, 0)}
    orphans = tables._orphans(warehouse, FACT_STOCK_PRICE, [MONDAY, TUESDAY])  # noqa: SLF001
    assert orphans["ExchangeCode"] == {TUESDAY: 1}
    assert orphans["Ticker"] == {MONDAY: 2, TUESDAY: 1}


def price(day, ticker, exchange="XNYS"):
    bar = dict.fromkeys(("Open", "High", "Low", "Close"), 1.0)
    return {
        "DateKey": int(day.strftime("%Y%m%d")),
        "TradeDate": day,
        "Ticker": ticker,
        "ExchangeCode": exchange,
        **bar,
        "Volume": 1,
        "AdjClose": None,
        "Currency": "USD",
        "FetchedAt": datetime(2026, 1, 1, tzinfo=UTC),
        "BatchId": "b",
    }
