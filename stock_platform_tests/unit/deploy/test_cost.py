"""The estimate in the docs is what its arithmetic gives, and counts on what the platform does."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from stock_platform.contracts import TABLES
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform.warehouse.sql_dialect import view_sql
from stock_platform_tests.support.platform_fixture import Platform

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENTS = ROOT / "terraform" / "environments"
PRICES = "fact_stock_price"


@pytest.fixture(scope="module")
def cost():
    spec = importlib.util.spec_from_file_location("cost", ROOT / "deploy" / "cost.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(sql):
    """The platform's tables and views that a query names."""
    return {it.name for it in sqlglot.parse_one(sql, read="bigquery").find_all(exp.Table)} & set(
        TABLES
    )


class Bill:
    """A DuckDB warehouse, and the references to tables that BigQuery would bill for."""

    def __init__(self, monkeypatch):
        self.references = Counter()
        monkeypatch.setattr(DuckDBWarehouse, "query", self.asking(DuckDBWarehouse.query))
        for verb in ("replace_sessions", "replace_table", "replace_where"):
            replace = self.replacing(getattr(DuckDBWarehouse, verb))
            monkeypatch.setattr(DuckDBWarehouse, verb, replace)

    def asking(self, query):
        def ask(warehouse, sql, parameters=None):
            views = {it for it in named(sql) if TABLES[it].view}
            behind = {table for it in views for table in named(view_sql(TABLES[it]))}
            tables = named(sql) - views | behind
            bounded = "sessions" in (parameters or {}) and not views
            big = PRICES in tables
            self.references["month" if bounded else "whole"] += big
            self.references["small"] += len(tables) - big
            return query(warehouse, sql, parameters)

        return ask

    def replacing(self, replace):
        def run(warehouse, table, *args, **options):
            # The script deletes from the table, inserts from the staging table, and counts.
            self.references["month" if table.name == PRICES else "small"] += 2
            self.references["small"] += 1
            return replace(warehouse, table, *args, **options)

        return run


def test_the_page_has_the_tables_that_are_computed(cost):
    page = (ROOT / "docs" / "cost.md").read_text()
    assert cost.table() in page
    assert cost.prices() in page


def test_more_symbols_cost_more_and_most_of_it_is_machine_and_database(cost):
    months = [cost.month(it) for it in cost.DEPLOYMENTS]
    totals = [sum(it.values()) for it in months]
    assert totals == sorted(totals)
    assert all((it["machine"] + it["database"]) / sum(it.values()) > 0.8 for it in months)


def test_what_it_counts_on_is_what_terraform_sets_up(cost):
    staging = (ENVIRONMENTS / "staging.tfvars").read_text()
    production = (ENVIRONMENTS / "prod.tfvars").read_text()
    for it in cost.DEPLOYMENTS:
        text = production if it.dual_region else staging
        assert f'"{it.machine}"' in text
        assert f'"{it.database}"' in text
        assert ("dual_region" in text) == it.dual_region
    terraform = ROOT / "terraform"
    assert f"size   = {cost.MACHINE_DISK_GB}\n" in (terraform / "orchestrator.tf").read_text()
    assert f"= {cost.DATABASE_DISK_GB}\n" in (terraform / "database.tf").read_text()


def test_a_days_runs_ask_what_it_counts_on(cost, tmp_path, monkeypatch):
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
