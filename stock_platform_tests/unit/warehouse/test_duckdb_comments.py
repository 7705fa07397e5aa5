"""DuckDB shows the descriptions of the contracts as comments."""

import duckdb
import pytest

from stock_platform.contracts import FACT_STOCK_PRICE, TABLES
from stock_platform.warehouse.duckdb import DuckDBWarehouse


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "w.duckdb"
    DuckDBWarehouse(path).create_tables()
    return path


def rows(file, sql):
    with duckdb.connect(file) as connection:
        return dict(connection.execute(sql).fetchall())


def table_comments(file):
    return rows(
        file,
        "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal",
    )


def column_comments(file, table):
    sql = f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{table}'"  # noqa: S608
    return rows(file, sql)


def test_tables_and_views_have_comments(file):
    assert table_comments(file) == {table.name: table.description for table in TABLES.values()}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_columns_have_comments(file, table):
    expected = {column.name: column.documentation for column in table.columns}
    assert column_comments(file, table.name) == expected


def test_changed_comments_are_restored(file):
    with duckdb.connect(file) as connection:
        connection.execute("COMMENT ON COLUMN fact_stock_price.Close IS 'it''s wrong'")
        connection.execute("COMMENT ON TABLE fact_stock_price IS NULL")
    DuckDBWarehouse(file).create_tables()
    assert column_comments(file, "fact_stock_price")["Close"].startswith("Last price")
    assert table_comments(file)["fact_stock_price"] == FACT_STOCK_PRICE.description


def test_missing_column_is_skipped(file):
    with duckdb.connect(file) as connection:
        connection.execute("CREATE TABLE other AS SELECT 1 AS Close")
        connection.execute("DROP VIEW stock_price_adjusted")
        connection.execute("ALTER TABLE dim_date DROP IsWeekend")
    DuckDBWarehouse(file).create_tables()
    assert "IsWeekend" not in column_comments(file, "dim_date")
    assert column_comments(file, "other") == {"Close": None}
