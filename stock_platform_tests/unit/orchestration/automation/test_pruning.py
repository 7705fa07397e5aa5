"""Pruning deletes explaining events of old runs, and nothing that pages or checks need."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from stock_platform.lake import check_results
from stock_platform.orchestration.automation import pruning
from stock_platform.orchestration.dagster_internals import event_pruning
from stock_platform.orchestration.dagster_internals.event_pruning import prune_events
from stock_platform_tests.support import postgres

DAYS = dg.StaticPartitionsDefinition(["a", "b", "c"])
PRICES = dg.AssetKey("prices")


@dg.asset(partitions_def=DAYS)
def prices(context: dg.AssetExecutionContext) -> int:
    context.log.info("explaining")
    if context.partition_key == "c":
        raise ValueError("no such price")
    context.log_event(dg.AssetObservation("prices", partition=context.partition_key))
    return 1


@dg.asset_check(asset=prices)
def positive() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


JOB = dg.Definitions(
    assets=[prices],
    asset_checks=[positive],
    jobs=[dg.define_asset_job("all", selection="*")],
    executor=dg.in_process_executor,
).resolve_job_def("all")
SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def instance(request, tmp_path):
    if request.param == "sqlite":
        with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
            yield instance
    else:
        with (
            postgres.postgres() as url,
            dg.instance_for_test(postgres.storage(url), temp_dir=str(tmp_path)) as instance,
        ):
            yield instance


@pytest.fixture
def runs(instance):
    def run(key):
        return JOB.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)

    return {key: run(key).run_id for key in ("a", "b", "c")}


def page_contents(instance, runs):
    """The contents of the pages of assets and checks, by Dagster's API."""
    storage = instance.event_log_storage
    (check,) = positive.check_keys
    record = instance.get_asset_records([PRICES])[0]
    return {
        "partitions": instance.get_materialized_partitions(PRICES),
        "status": instance.get_status_by_partition(PRICES, ["a", "b", "c"], DAYS),
        "latest": record.asset_entry.last_materialization,
        "materialized": instance.fetch_materializations(PRICES, limit=9).records,
        "observed": instance.fetch_observations(PRICES, limit=9).records,
        "checks": storage.get_asset_check_execution_history(check, limit=9),
        "latest check": storage.get_latest_asset_check_execution_by_key([check]),
        "steps": [instance.get_run_step_stats(run_id) for run_id in runs.values()],
        "runs": [instance.get_run_by_id(run_id) for run_id in runs.values()],
    }


def types(instance, run_id):
    events = [entry.dagster_event for entry in instance.all_logs(run_id)]
    return [event.event_type if event else None for event in events]


def count_events(instance, run_ids):
    return sum(len(instance.all_logs(run_id)) for run_id in run_ids)


def test_pages_stay_the_same(instance, runs):
    before = page_contents(instance, runs)
    stored = count_events(instance, runs.values())
    deleted = prune_events(instance, SOON)
    assert page_contents(instance, runs) == before
    assert deleted == stored - count_events(instance, runs.values())
    assert deleted > stored / 5


def test_only_explaining_events_are_deleted(instance, runs):
    before = types(instance, runs["a"])
    prune_events(instance, SOON)
    after = types(instance, runs["a"])
    assert {None, Event.ASSET_CHECK_EVALUATION, Event.STEP_OUTPUT} <= set(before) - set(after)
    assert {Event.ASSET_MATERIALIZATION, Event.ASSET_OBSERVATION, Event.STEP_SUCCESS} <= set(after)


def test_old_run_keeps_compute_logs(instance, runs):
    prune_events(instance, SOON)
    assert Event.LOGS_CAPTURED in types(instance, runs["a"])


def test_failed_run_keeps_all_events(instance, runs):
    before = instance.all_logs(runs["c"])
    assert "no such price" in str(before)
    prune_events(instance, SOON)
    assert instance.all_logs(runs["c"]) == before


def test_launch_errors_are_kept(instance):
    """Only an engine event has the cause; the run's failure event does not."""
    run = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTING)
    error = SerializableErrorInfo("no such image", [], "LaunchError")
    instance.report_engine_event("not launched", run, EngineEventData.engine_error(error))
    instance.report_run_failed(run)
    prune_events(instance, SOON)
    assert "no such image" in str(instance.all_logs(run.run_id))


def test_every_page_is_pruned(instance, runs, monkeypatch):
    monkeypatch.setattr(event_pruning, "_RUNS_PER_PAGE", 1)
    assert prune_events(instance, SOON) > 0
    for key in ("a", "b"):
        assert Event.ASSET_CHECK_EVALUATION not in types(instance, runs[key])


def test_pruning_again_deletes_nothing(instance, runs):
    assert runs
    assert prune_events(instance, SOON) > 0
    assert prune_events(instance, SOON) == 0


def test_recent_and_unfinished_runs_are_kept(instance, runs):
    unfinished = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("unfinished", unfinished)
    stored = [types(instance, run_id) for run_id in (*runs.values(), unfinished.run_id)]
    assert prune_events(instance, datetime.now(UTC) - timedelta(hours=1)) == 0
    assert [types(instance, run_id) for run_id in (*runs.values(), unfinished.run_id)] == stored
    prune_events(instance, SOON)
    assert types(instance, unfinished.run_id) == stored[-1]


def test_uncollected_check_results_are_not_pruned(platform, monkeypatch):
    platform.load_sample_dimensions()
    monkeypatch.setattr(pruning, "_RETENTION", timedelta(days=-1))
    earlier = [run.run_id for run in platform.instance.get_runs()]
    before = count_events(platform.instance, earlier)
    assert platform.run("prune_event_logs").success
    assert check_results.newest(platform.paths) is None
    assert count_events(platform.instance, earlier) == before
    assert platform.run("quality_report").success
    assert platform.run("prune_event_logs").success
    assert len(platform.table("asset_check_result")) > 0
    assert platform.run("quality_report").success
