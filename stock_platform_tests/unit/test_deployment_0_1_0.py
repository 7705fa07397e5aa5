"""A deployment of version 0.1.0 is migrated, read, rebuilt and continued by present code."""

import shutil

import dagster as dg
import pytest

from stock_platform.contracts import TABLES
from stock_platform.definitions import build_definitions
from stock_platform.lake import check_results, files
from stock_platform.orchestration.check_results.collect import (
    collect_check_results,
    run_check_results,
)
from stock_platform.warehouse.migrate import migrate
from stock_platform_tests.support import ROOT
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
from stock_platform_tests.support.platform_fixture import error_text, range_tags

# All requests of the day after it failed, so that it was never processed.
LAST_BEFORE_OUTAGE = "2024-06-20"
EXPECTED = expected(V0_1_0)
# A rebuild may use a newer version of the calendar package.
COMPUTED = {"dim_trading_session": "CalendarVersion"}


NEW_NAMES = {
    "ItemId": "SecurityId",
    "IsVanished": "IsMissingFromExport",
    "answer_is_settled": "bars_are_final",
    "no_upstream_errors": "source_responded",
    "every_line_accounted_for": "all_records_accounted_for",
    "every_row_accepted": "all_rows_accepted",
    "complete_for_session": "all_symbols_present",
}
NEW_NAMES_OF = {
    "fact_stock_price": {"AdjClose": "YahooAdjClose"},
    "stock_price_adjusted": {
        f"Adj{name}": f"SplitAdjusted{name}" for name in ("Open", "High", "Low", "Close", "Volume")
    },
}
# The view has more columns than version 0.1.0 gave it.
NEW_COLUMNS = {"TotalReturnOpen", "TotalReturnHigh", "TotalReturnLow"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    return migrated(tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """Another copy after its warehouse was lost and rebuilt, and the messages of the rebuild."""
    copy = migrated(tmp_path_factory.mktemp("rebuilt"))
    copy.settings.warehouse_file.unlink()
    result = run(copy, "rebuild_warehouse")
    return copy, [
        failure.step_failure_data.error.message for failure in result.get_step_failure_events()
    ]


def migrated(folder):
    copy = unpack(V0_1_0, folder)
    assert migrate(copy.paths, copy.warehouse, dry_run=False).problems == []
    return copy


def renamed(table, table_rows):
    names = NEW_NAMES | NEW_NAMES_OF.get(table, {})
    return [
        {
            names.get(name, name): names.get(value, value) if name == "CheckName" else value
            for name, value in row.items()
        }
        for row in table_rows
    ]


def run(deployment, job):
    definition = build_definitions(deployment.settings).resolve_job_def(job)
    with dg.DagsterInstance.ephemeral() as instance:
        return definition.execute_in_process(instance=instance, raise_on_error=False)


def process(deployment, first, last):
    job = dg.define_asset_job("process", dg.AssetSelection.assets("processed_stock_prices"))
    defs = dg.Definitions.merge(build_definitions(deployment.settings), dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("process").execute_in_process(
            instance=instance, tags=range_tags(first, last), raise_on_error=False
        )


def without(column, table_rows):
    return [{name: row[name] for name in row if name != column} for row in table_rows]


def test_every_table_has_its_rows(deployment):
    assert row_counts(deployment) == EXPECTED["row_counts"]


@pytest.mark.parametrize("table", EXPECTED["tables"])
def test_values_of_a_table_are_kept(deployment, table):
    found = [
        {name: row[name] for name in row if name not in NEW_COLUMNS}
        for row in rows(deployment, table)
    ]
    assert found == renamed(table, EXPECTED["tables"][table])


def test_processing_again_changes_no_row(tmp_path):
    copy = migrated(tmp_path)
    before = lake(copy)["processed"]
    process(copy, min(before), LAST_BEFORE_OUTAGE)
    after = {day: found for day, found in lake(copy)["processed"].items() if day in before}
    assert without("batch_id", after.values()) == without("batch_id", before.values())
    # A quarantined record has got the id of its security, so its session is published again.
    published = {day for day in before if after[day]["batch_id"] != before[day]["batch_id"]}
    assert published <= {day for day in before if before[day]["quarantined"]}


def test_unmigrated_raw_prices_are_not_processed(tmp_path):
    copy = unpack(V0_1_0, tmp_path)
    message = error_text(process(copy, "2024-06-12", None))
    assert "raw prices of version 0.1.0 (2024-06-12): run `stock-platform migrate`" in message


@pytest.mark.parametrize("table", LONG_TABLES)
def test_long_table_values_are_kept(deployment, table):
    found = rows(deployment, table)
    expected_rows = renamed(table, EXPECTED["some_rows"][table])
    assert [row for row in expected_rows if row not in found] == []


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


def test_files_in_the_landing_folder_change_no_dimension(tmp_path):
    copy = migrated(tmp_path)
    assert run(copy, "erp_load").success
    for table in ("dim_company", "dim_company_history", "dim_exchange"):
        assert rows(copy, table) == renamed(table, EXPECTED["tables"][table])


def test_unmigrated_deployment_names_the_remedy(tmp_path):
    copy = unpack(V0_1_0, tmp_path)
    (failure, *_) = run(copy, "erp_load").get_step_failure_events()
    error = failure.step_failure_data.error
    messages = [error.message, *(cause.message for cause in [error.cause] if cause)]
    remedy = "the warehouse has the columns of version 0.1.0"
    assert any(remedy in text and "`stock-platform migrate`" in text for text in messages)


def opened_instance(deployment):
    shutil.copy(ROOT / "dagster.yaml", deployment.home)
    return dg.DagsterInstance.from_config(str(deployment.home))


def test_dagster_storage_opens_with_the_present_configuration(deployment):
    with opened_instance(deployment) as instance:
        assert dagster_storage(instance) == EXPECTED["dagster_storage"]


def test_old_events_are_collected_under_new_names(tmp_path):
    copy = migrated(tmp_path)
    before = rows(copy, "asset_check_result")
    for day in check_results.days(copy.paths):
        files.delete(copy.paths.check_results(day))
    with opened_instance(copy) as instance:
        collect_check_results(instance, copy.paths, copy.warehouse)
        after = rows(copy, "asset_check_result")
        runs = {row["RunId"] for row in after}
        collected = [row for run_id in runs for row in run_check_results(instance, run_id)]
    assert [row for row in before if row not in after] == []
    # The run that collected for version 0.1.0 had more results afterwards.
    more = {row["Asset"] for row in after if row not in before}
    assert more <= {"asset_check_result", "quality_report"}
    names = {row["CheckName"] for row in collected}
    assert names.isdisjoint(NEW_NAMES)
    assert {"source_responded", "all_rows_accepted"} < names
