"""Terraform's schemas are the contracts', and the tables that the platform itself creates."""

import json

import pytest
from google.cloud import bigquery

from stock_platform.contracts import TABLES
from stock_platform.warehouse.bigquery_tables import contract_table
from stock_platform.warehouse.sql_dialect import qualified_view_sql
from stock_platform.warehouse.terraform_files import TERRAFORM_SCHEMAS

PROJECT, DATASET = "a-rather-long-project-name-1234", "stock_platform"


def filled(file):
    text = (TERRAFORM_SCHEMAS / file).read_text()
    return text.replace("${project}", PROJECT).replace("${dataset}", DATASET)


LAYOUT = json.loads(filled("tables.json"))


def test_terraform_has_every_table():
    assert list(LAYOUT) == list(TABLES)


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if not table.view])
def test_table_is_the_one_that_the_platform_creates(name):
    created = contract_table(bigquery.DatasetReference(PROJECT, DATASET), TABLES[name], {})
    expected = created.to_api_repr()
    layout = {key: value for key, value in LAYOUT[name].items() if key not in {"kind", "rank"}}
    assert LAYOUT[name]["kind"] == "table"
    assert json.loads(filled(f"{name}.json")) == expected["schema"]["fields"]
    assert layout == {key: value for key, value in expected.items() if key in layout}
    assert set(expected) - set(layout) == {"tableReference", "labels", "schema"}


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.view])
def test_view_is_the_one_that_the_platform_creates(name):
    created = contract_table(bigquery.DatasetReference(PROJECT, DATASET), TABLES[name], {})
    layout = {key: value for key, value in LAYOUT[name].items() if key != "rank"}
    assert layout == {"kind": "view", "description": created.description}
    sql = filled(f"{name}.sql")
    assert "${" not in sql
    assert "%{" not in sql
    assert sql.removesuffix("\n") == qualified_view_sql(TABLES[name], PROJECT, DATASET)
