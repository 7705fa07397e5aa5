"""The warehouse's files are the contracts', and what the platform itself would create."""

import json

import pytest
from google.cloud import bigquery

from stock_platform.contracts import TABLES
from stock_platform.warehouse.bigquery_tables import contract_table
from stock_platform.warehouse.sql_dialect import qualified_view_sql
from stock_platform.warehouse.terraform_files import TERRAFORM_SCHEMAS

PROJECT, DATASET = "a-rather-long-project-name-1234", "stock_platform"
LAYOUT = json.loads(
    (TERRAFORM_SCHEMAS / "tables.json")
    .read_text()
    .replace("${project}", PROJECT)
    .replace("${dataset}", DATASET)
)


def test_terraform_knows_every_table():
    assert list(LAYOUT) == list(TABLES)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda it: it.name)
def test_a_table_is_what_the_platform_would_create(table):
    made = contract_table(bigquery.DatasetReference(PROJECT, DATASET), table, {}).to_api_repr()
    told = dict(LAYOUT[table.name])
    assert told.pop("kind") == ("view" if table.view else "table")
    told.pop("rank")
    if table.view:
        assert told == {"description": made["description"]}
        return
    fields = json.loads((TERRAFORM_SCHEMAS / f"{table.name}.json").read_text())
    assert fields == made["schema"]["fields"]
    assert told == {name: it for name, it in made.items() if name in told}
    assert set(made) - set(told) == {"tableReference", "labels", "schema"}


@pytest.mark.parametrize("table", [it for it in TABLES.values() if it.view], ids=lambda it: it.name)
def test_a_view_reads_as_the_platform_would_write_it(table):
    template = (TERRAFORM_SCHEMAS / f"{table.name}.sql").read_text()
    filled = template.replace("${project}", PROJECT).replace("${dataset}", DATASET)
    assert "${" not in filled
    assert "%{" not in filled
    assert filled.removesuffix("\n") == qualified_view_sql(table, PROJECT, DATASET)


def test_a_table_comes_after_those_that_it_refers_to():
    for name, it in LAYOUT.items():
        for key in it.get("tableConstraints", {}).get("foreignKeys", []):
            assert LAYOUT[key["referencedTable"]["tableId"]]["rank"] < it["rank"], name
