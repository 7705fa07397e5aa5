"""Contracts are complete, and the generated files match them."""

import pyarrow as pa
import pytest

from stock_platform.contracts import FACT_STOCK_PRICE, TABLES
from stock_platform.contracts.render import arrow_schema, bigquery_schema, create_table
from stock_platform.orchestration.metadata import dagster_schema
from stock_platform.warehouse.terraform_files import TERRAFORM_SCHEMAS, terraform_files


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
class TestContract:
    def test_key_partition_and_cluster_are_columns(self, table):
        named = {*table.key, *table.cluster_by}
        named |= {table.partition_by_month, table.session_column} - {None}
        assert named <= set(table.column_names)
        assert len(set(table.column_names)) == len(table.columns)

    def test_keys_are_never_null(self, table):
        assert not [c for c in table.columns if c.name in table.key and c.nullable]

    def test_references_point_to_matching_keys(self, table):
        for column in table.columns:
            if column.references:
                target, name = column.references.split(".")
                (found,) = [c for c in TABLES[target].columns if c.name == name]
                assert found.type == column.type
                assert TABLES[target].key == (name,)

    def test_columns_have_descriptions(self, table):
        assert all(column.description.endswith(".") for column in table.columns)
        shown = [column.description for column in dagster_schema(table).columns]
        assert shown == [column.documentation for column in table.columns]


def test_terraform_schemas_match_contracts():
    stored = {file.name: file.read_text() for file in TERRAFORM_SCHEMAS.iterdir()}
    assert stored == terraform_files(), "run `make schemas`"


def test_schema_file_has_type_mode_and_unit():
    fields = {field["name"]: field for field in bigquery_schema(FACT_STOCK_PRICE)}
    assert fields["Close"] == {
        "name": "Close",
        "type": "FLOAT64",
        "mode": "REQUIRED",
        "description": "Last price of the session, as traded. Unit: Currency.",
    }
    assert fields["YahooAdjClose"]["mode"] == "NULLABLE"


def test_arrow_keeps_times_in_utc_microseconds():
    assert arrow_schema(FACT_STOCK_PRICE).field("FetchedAt").type == pa.timestamp("us", tz="UTC")


def test_ddl_matches_nullability_of_contract():
    ddl = create_table(FACT_STOCK_PRICE)
    assert "`Volume` INT64 NOT NULL" in ddl
    assert "`YahooAdjClose` FLOAT64," in ddl
