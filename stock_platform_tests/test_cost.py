"""The estimate in the docs is what its arithmetic gives."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def cost():
    spec = importlib.util.spec_from_file_location("cost", ROOT / "deploy" / "cost.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_that_is_computed(cost):
    assert cost.table() in (ROOT / "docs" / "cost.md").read_text()


def test_more_symbols_cost_more_and_most_of_it_is_machine_and_database(cost):
    months = [cost.month(it) for it in cost.DEPLOYMENTS]
    totals = [sum(it.values()) for it in months]
    assert totals == sorted(totals)
    assert all((it["machine"] + it["database"]) / sum(it.values()) > 0.8 for it in months[:2])


def test_what_it_counts_on_is_what_terraform_sets_up(cost):
    environments = ROOT / "terraform" / "environments"
    staging = (environments / "staging.tfvars").read_text()
    production = (environments / "prod.tfvars").read_text()
    for it in cost.DEPLOYMENTS:
        text = production if it.dual_region else staging
        assert f'"{it.machine}"' in text
        assert f'"{it.database}"' in text
        assert ("dual_region" in text) == it.dual_region
