"""A deployment of version 0.1.0 is migrated, read, rebuilt and continued by present code."""

import shutil

import dagster as dg
import pytest

from stock_platform.contracts import TABLES
from stock_platform.definitions import build_definitions
from stock_platform.lake import check_results, files, raw_runs
from stock_platform.lake.processed import read_state
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

EXPECTED = expected(V0_1_0)
# A rebuild may use a newer version of the calendar package.
COMPUTED = {"dim_trading_session": "CalendarVersion", "load_log": "AppliedAt"}


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
# Columns that version 0.1.0 did not have, or had other values in, by table.
NEW_COLUMNS = {
    "fact_stock_price": {"SecurityId", "BatchId"},
    "fact_corporate_action": {"SecurityId", "BatchId"},
    "stock_price_adjusted": {"SecurityId", "TotalReturnOpen", "TotalReturnHigh", "TotalReturnLow"},
}
# The sessions that version 0.1.0 processed again, without loading the result.
BLOCKED, NEVER_LOADED = "2024-06-11", "2024-06-18"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    return migrated(tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """Another copy, after its warehouse was lost and rebuilt."""
    copy = migrated(tmp_path_factory.mktemp("rebuilt"))
    copy.settings.warehouse_file.unlink()
    assert run(copy, "rebuild_warehouse").success
    return copy


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


def kept(table, table_rows):
    """The values that version 0.1.0 had, in its order."""
    new = NEW_COLUMNS.get(table, ())
    found = [{name: row[name] for name in row if name not in new} for row in table_rows]
    is_by_security = "SecurityId" in new
    return sorted(found, key=by_ticker) if is_by_security else found


def by_ticker(row):
    return row["DateKey"], row["Ticker"], row.get("ActionType")


def test_every_table_has_its_rows(deployment):
    assert row_counts(deployment) == EXPECTED["row_counts"] | {"load_log": 1}


@pytest.mark.parametrize("table", EXPECTED["tables"])
def test_values_of_a_table_are_kept(deployment, table):
    found = kept(table, rows(deployment, table))
    assert found == kept(table, renamed(table, EXPECTED["tables"][table]))


@pytest.mark.parametrize("table", ["fact_stock_price", "fact_corporate_action"])
def test_facts_have_securities_of_the_erp(deployment, table):
    companies = rows(deployment, "dim_company_history")
    ids = {(row["SecurityId"], row["Symbol"]) for row in companies}
    found = rows(deployment, table)
    assert {(row["SecurityId"], row["Ticker"]) for row in found} <= ids
    assert {row["BatchId"] for row in found} == {"migrated-2024"}


def test_processed_sessions_are_those_that_were_loaded(deployment):
    before, after = EXPECTED["lake"], lake(deployment)["processed"]
    assert NEVER_LOADED not in after
    loaded, actions = (
        before["loaded"][f"fact_{name}"] for name in ("stock_price", "corporate_action")
    )
    assert {day: len(found["closes"]) for day, found in after.items()} == loaded
    assert {day: found["actions"] for day, found in after.items() if found["actions"]} == actions
    for day, found in after.items():
        processed = before["processed"][day]
        assert found["quarantined"] == processed["quarantined"]
        assert found["closes"].items() >= processed["closes"].items()
        assert day == BLOCKED or found["closes"] == processed["closes"]


def test_migrated_sessions_are_not_pending(deployment):
    state = read_state(deployment.paths)
    names = raw_runs.run_names(deployment.paths)
    runs = [raw_runs.read_run(deployment.paths, name) for name in names]
    pending = {day for run in runs for day in state.pending(run)}
    assert pending == set(EXPECTED["lake"]["raw_outcomes"]) - set(EXPECTED["lake"]["processed"])


def test_processing_again_changes_no_row(tmp_path):
    """Except that a check refuses what it had blocked before."""
    copy = migrated(tmp_path)
    before = lake(copy)["processed"]
    for day in before:
        process(copy, day, day)
    after = lake(copy)["processed"]
    assert {day: after[day] for day in before} == before
    again = [
        commit for commit in read_state(copy.paths).commits[2:] if commit.sessions[0] in before
    ]
    assert [commit.sessions for commit in again] == [(day,) for day in before]
    assert [commit.parts for commit in again] == [()] * len(before)
    assert [commit.sessions for commit in again if commit.reasons] == [(BLOCKED,)]


def test_unmigrated_raw_prices_are_not_processed(tmp_path):
    copy = unpack(V0_1_0, tmp_path)
    message = error_text(process(copy, "2024-06-12", None))
    assert "raw prices of version 0.1.0 (2024-06-12): run `stock-platform migrate`" in message


@pytest.mark.parametrize("table", LONG_TABLES)
def test_long_table_values_are_kept(deployment, table):
    found = rows(deployment, table)
    expected_rows = renamed(table, EXPECTED["some_rows"][table])
    assert [row for row in expected_rows if row not in found] == []


@pytest.mark.parametrize("part", ["raw_outcomes", "last_fetch", "staged_batches", "erp_files"])
def test_lake_contents_are_kept(deployment, part):
    assert lake(deployment)[part] == EXPECTED["lake"][part]


def test_tables_satisfy_their_contracts(deployment):
    differences = {
        table.name: deployment.warehouse.contract_differences(table) for table in TABLES.values()
    }
    assert {name: found for name, found in differences.items() if found} == {}


@pytest.mark.parametrize("table", TABLES)
def test_rebuild_restores_table(deployment, rebuilt, table):
    computed = COMPUTED.get(table)
    assert without(computed, rows(rebuilt, table)) == without(computed, rows(deployment, table))


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
