"""Warehouses of all kinds, and versions to apply to them."""

import hashlib

import pytest
from google.cloud import bigquery

from stock_platform.contracts import DIM_EXCHANGE, FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.contracts.render import arrow_schema
from stock_platform.lake import files
from stock_platform.lake.versions import FACT_SOURCES
from stock_platform.settings.google import BigQuerySettings
from stock_platform.warehouse.bigquery import BigQueryWarehouse
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.interface import VersionLoad
from stock_platform_tests.support.commits import loaded_batch, parquet
from stock_platform_tests.support.google.cloud import new_bucket, new_dataset

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
    if adapter.read(DIM_EXCHANGE).num_rows:
        adapter.replace_table(DIM_EXCHANGE, arrow_schema(DIM_EXCHANGE).empty_table())
    if adapter.applied_batches():
        adapter.apply([], [], rebuild=True)
    return adapter


@pytest.fixture
def store(kind, tmp_path):
    """Write versions of the batch of a day where the adapter can read them, and return the URI."""
    folder = f"gs://{new_bucket()}" if kind == "bigquery" else str(tmp_path)

    def write(table, rows, day, number=0):
        content = parquet(FACT_SOURCES[table.name], rows, day)
        # As the name of a part, that of the object contains the digest of its content.
        digest = hashlib.sha256(content).hexdigest()
        uri = f"{folder}/{table.name}.{day}.{number}.{digest}.parquet"
        files.write(uri, content)
        return uri

    return write


@pytest.fixture
def load_of(store):
    """A load of versions, by table and by the day of their batch."""

    def load(table, **rows_by_day):
        uris = [store(table, rows, int(day[1:])) for day, rows in rows_by_day.items()]
        rows = [row for rows in rows_by_day.values() for row in rows]
        dates = [row["TradeDate"] for row in rows]
        return VersionLoad(table, uris, len(rows), min(dates), max(dates))

    return load


@pytest.fixture
def apply(warehouse, load_of):
    """Apply prices and actions of the batch of a day."""

    def apply_rows(*prices, actions=(), day=0, rebuild=False):
        loads = [
            load_of(table, **{f"d{day}": rows})
            for table, rows in ((FACT_STOCK_PRICE, prices), (FACT_CORPORATE_ACTION, actions))
            if rows
        ]
        return warehouse.apply(
            loads, [loaded_batch(day, len(prices), len(actions))], rebuild=rebuild
        )

    return apply_rows
