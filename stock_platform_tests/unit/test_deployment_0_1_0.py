"""The current code reads, rebuilds and continues a deployment of version 0.1.0."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from stock_platform.contracts import TABLES
from stock_platform.definitions import build_definitions
from stock_platform_tests.support.fixtures.deployment import (
    LONG_TABLES,
    V0_1_0,
    dagster_storage,
    expected,
    lake,
    row_counts,
    rows,
    unpack,
)

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = expected(V0_1_0)
# A rebuild may use a newer version of the calendar package.
COMPUTED = {"dim_trading_session": "CalendarVersion"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    return unpack(V0_1_0, tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """Another copy whose warehouse was deleted and rebuilt, and the messages of the rebuild."""
    copy = unpack(V0_1_0, tmp_path_factory.mktemp("rebuilt"))
    copy.settings.warehouse_file.unlink()
    result = run(copy, "rebuild_warehouse")
    return copy, [
        failure.step_failure_data.error.message for failure in result.get_step_failure_events()
    ]


def run(deployment, job):
    definition = build_definitions(deployment.settings).resolve_job_def(job)
    with dg.DagsterInstance.ephemeral() as instance:
        return definition.execute_in_process(instance=instance, raise_on_error=False)


def without(column, table_rows):
    return [{name: row[name] for name in row if name != column} for row in table_rows]


def test_every_table_has_its_rows(deployment):
    assert row_counts(deployment) == EXPECTED["row_counts"]


@pytest.mark.parametrize("table", EXPECTED["tables"])
def test_table_values_are_kept(deployment, table):
    assert rows(deployment, table) == EXPECTED["tables"][table]


@pytest.mark.parametrize("table", LONG_TABLES)
def test_long_table_values_are_kept(deployment, table):
    found = rows(deployment, table)
    assert [row for row in EXPECTED["some_rows"][table] if row not in found] == []


@pytest.mark.parametrize("part", EXPECTED["lake"])
def test_lake_contents_are_kept(deployment, part):
    assert lake(deployment)[part] == EXPECTED["lake"][part]


def test_tables_satisfy_their_contracts(deployment):
    differences = {
        table.name: deployment.warehouse.contract_differences(table) for table in TABLES.values()
    }
    assert {name: found for name, found in differences.items() if found} == {}


@pytest.mark.parametrize("table", TABLES)
def test_rebuild_restores_table(deployment, rebuilt, table):
    copy, _ = rebuilt
    computed = COMPUTED.get(table)
    assert without(computed, rows(copy, table)) == without(computed, rows(deployment, table))


def test_rebuild_names_uncertain_sessions(rebuilt):
    _, (message,) = rebuilt
    _, *problems = message.splitlines()
    assert [problem.partition(",")[0] for problem in problems] == [
        "fact_stock_price: 2024-06-17: restored as of the load before",
        "fact_stock_price: 2024-06-18: 7 rows were published and never loaded",
        "fact_corporate_action: 2024-06-17: not restored",
    ]


def test_landing_folder_changes_no_dimension(tmp_path):
    copy = unpack(V0_1_0, tmp_path)
    assert run(copy, "erp_load").success
    for table in ("dim_company", "dim_company_history", "dim_exchange"):
        assert rows(copy, table) == EXPECTED["tables"][table]


def test_current_configuration_opens_dagster_storage(deployment):
    shutil.copy(ROOT / "dagster.yaml", deployment.home)
    with dg.DagsterInstance.from_config(str(deployment.home)) as instance:
        assert dagster_storage(instance) == EXPECTED["dagster_storage"]
