"""docs/cost.md contains the current estimate, which counts the platform's real queries."""

import importlib.util
import re
from collections import Counter

import pytest
import sqlglot
from sqlglot import exp

from stock_platform.contracts import TABLES
from stock_platform.warehouse.bigquery_versions import apply_script
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.sql_dialect import view_sql
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.platform_fixture import Platform

ENVIRONMENTS = ROOT / "terraform" / "environments"
PRICES = "fact_stock_price"


@pytest.fixture(scope="module")
def cost():
    spec = importlib.util.spec_from_file_location("cost", ROOT / "deploy" / "cost.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables_in(sql):
    """The platform's tables and views in a query."""
    found = sqlglot.parse_one(sql, read="bigquery").find_all(exp.Table)
    return {table.name for table in found} & set(TABLES)


class Bill:
    """Counts the table references of a DuckDB warehouse that BigQuery would bill."""

    def __init__(self, monkeypatch):
        self.references = Counter()
        monkeypatch.setattr(DuckDBWarehouse, "query", self.counting_query(DuckDBWarehouse.query))
        for verb in ("replace_table", "replace_where"):
            replace = self.counting_replace(getattr(DuckDBWarehouse, verb))
            monkeypatch.setattr(DuckDBWarehouse, verb, replace)
        monkeypatch.setattr(DuckDBWarehouse, "apply", self.counting_apply(DuckDBWarehouse.apply))

    def counting_query(self, query):
        def ask(warehouse, sql, parameters=None):
            views = {name for name in tables_in(sql) if TABLES[name].view}
            behind = {table for view in views for table in tables_in(view_sql(TABLES[view]))}
            tables = tables_in(sql) - views | behind
            bounded = "sessions" in (parameters or {}) and not views
            big = PRICES in tables
            self.references["month" if bounded else "whole"] += big
            self.references["small"] += len(tables) - big
            return query(warehouse, sql, parameters)

        return ask

    def counting_replace(self, replace):
        def run(warehouse, table, *args, **options):
            # The script deletes from the table, inserts from the staging table, and counts rows.
            self.references["small"] += 3
            return replace(warehouse, table, *args, **options)

        return run

    def counting_apply(self, apply):
        def run(warehouse, loads, batches, **options):
            given = list(loads)
            script, _ = apply_script(
                {f"staging_{number}": load for number, load in enumerate(given)}, batches, **options
            )
            for name in re.findall(r"(?:FROM|JOIN) (fact_\w+|load_log|staging_\d+)\b", script):
                self.references["month" if name == PRICES else "small"] += 1
            return apply(warehouse, given, batches, **options)

        return run


def test_page_has_the_computed_tables(cost):
    page = (ROOT / "docs" / "cost.md").read_text()
    assert cost.table() in page
    assert cost.prices() in page


def test_machine_and_database_are_most_of_the_cost(cost):
    months = [cost.month(deployment) for deployment in cost.DEPLOYMENTS]
    totals = [sum(month.values()) for month in months]
    assert totals == sorted(totals)
    assert all(month["machine"] + month["database"] > 0.8 * sum(month.values()) for month in months)


def test_deployments_are_those_of_terraform(cost):
    staging = (ENVIRONMENTS / "staging.tfvars").read_text()
    production = (ENVIRONMENTS / "prod.tfvars").read_text()
    for deployment in cost.DEPLOYMENTS:
        text = production if deployment.dual_region else staging
        assert f'"{deployment.machine}"' in text
        assert f'"{deployment.database}"' in text
        assert ("dual_region" in text) == deployment.dual_region
    terraform = ROOT / "terraform"
    assert f"size   = {cost.MACHINE_DISK_GB}\n" in (terraform / "orchestrator.tf").read_text()
    assert f"= {cost.DATABASE_DISK_GB}\n" in (terraform / "database.tf").read_text()


def test_queries_of_a_day_are_the_counted_ones(cost, tmp_path, monkeypatch):
    bill = Bill(monkeypatch)
    with Platform(tmp_path) as platform:
        platform.drop_companies("C-0001,AAPL,Apple Inc.,XNAS,,US,USD,,Y,2000-03-01")
        assert platform.run("erp_load").success
        erp = bill.references.copy()
        platform.run("reference_data")
        bill.references = erp
        assert platform.run("daily_stock_prices", "2012-12-03").success
        assert platform.run("quality_report").success
    assert dict(bill.references) == cost.REFERENCES
