"""Pruning takes away what explains old runs, and nothing that a page or a check goes by."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterEventType as Event
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from stock_platform.lake import check_results
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


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.integration),
    ]
)
def instance(request, tmp_path):
    if request.param == "sqlite":
        with dg.instance_for_test(temp_dir=str(tmp_path)) as it:
            yield it
    else:
        with (
            postgres.postgres() as url,
            dg.instance_for_test(postgres.storage(url), temp_dir=str(tmp_path)) as it,
        ):
            yield it


@pytest.fixture
def runs(instance):
    return {
        key: JOB.execute_in_process(
            instance=instance, partition_key=key, raise_on_error=False
        ).run_id
        for key in ("a", "b", "c")
    }


def seen(instance, runs):
    """What the assets' and checks' pages show, by Dagster's own API."""
    storage = instance.event_log_storage
    (check,) = [key for it in [positive] for key in it.check_keys]
    record = instance.get_asset_records([PRICES])[0]
    return {
        "partitions": instance.get_materialized_partitions(PRICES),
        "status": instance.get_status_by_partition(PRICES, ["a", "b", "c"], DAYS),
        "latest": record.asset_entry.last_materialization,
        "materialized": instance.fetch_materializations(PRICES, limit=9).records,
        "observed": instance.fetch_observations(PRICES, limit=9).records,
        "checks": storage.get_asset_check_execution_history(check, limit=9),
        "latest check": storage.get_latest_asset_check_execution_by_key([check]),
        "steps": [instance.get_run_step_stats(it) for it in runs.values()],
        "runs": [instance.get_run_by_id(it) for it in runs.values()],
    }


def types(instance, run_id):
    return [
        it.dagster_event.event_type if it.dagster_event else None for it in all_(instance, run_id)
    ]


def all_(instance, run_id):
    return instance.all_logs(run_id)


def test_what_pages_show_is_the_same_before_and_after(instance, runs):
    before = seen(instance, runs)
    stored = sum(len(all_(instance, it)) for it in runs.values())
    deleted = prune_events(instance, SOON)
    assert seen(instance, runs) == before
    assert deleted == stored - sum(len(all_(instance, it)) for it in runs.values())
    assert deleted > stored / 5


def test_only_what_explains_goes(instance, runs):
    before = types(instance, runs["a"])
    prune_events(instance, SOON)
    after = types(instance, runs["a"])
    assert {None, Event.ASSET_CHECK_EVALUATION, Event.STEP_OUTPUT} <= set(before) - set(after)
    assert {Event.ASSET_MATERIALIZATION, Event.ASSET_OBSERVATION, Event.STEP_SUCCESS} <= set(after)


def test_the_page_of_an_old_run_still_finds_its_compute_logs(instance, runs):
    prune_events(instance, SOON)
    assert Event.LOGS_CAPTURED in types(instance, runs["a"])


def test_a_run_that_failed_keeps_all_it_told(instance, runs):
    before = all_(instance, runs["c"])
    assert "no such price" in str(before)
    prune_events(instance, SOON)
    assert all_(instance, runs["c"]) == before


def test_why_a_run_could_not_be_launched_stays(instance):
    """Only an engine's event tells it: the run's own failure has no word of the cause."""
    run = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTING)
    error = SerializableErrorInfo("no such image", [], "LaunchError")
    instance.report_engine_event("not launched", run, EngineEventData.engine_error(error))
    instance.report_run_failed(run)
    prune_events(instance, SOON)
    assert "no such image" in str(all_(instance, run.run_id))


def test_pages_of_runs_are_pruned_to_the_last(instance, runs, monkeypatch):
    monkeypatch.setattr(
        "stock_platform.orchestration.dagster_internals.event_pruning._RUNS_PER_PAGE", 1
    )
    assert prune_events(instance, SOON) > 0
    for key in ("a", "b"):
        assert Event.ASSET_CHECK_EVALUATION not in types(instance, runs[key])


def test_a_second_time_deletes_nothing(instance, runs):
    assert runs
    assert prune_events(instance, SOON) > 0
    assert prune_events(instance, SOON) == 0


def test_young_runs_and_runs_that_go_on_keep_everything(instance, runs):
    going_on = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("going on", going_on)
    stored = [types(instance, it) for it in (*runs.values(), going_on.run_id)]
    assert prune_events(instance, datetime.now(UTC) - timedelta(hours=1)) == 0
    assert [types(instance, it) for it in (*runs.values(), going_on.run_id)] == stored
    prune_events(instance, SOON)
    assert types(instance, going_on.run_id) == stored[-1]


def test_nothing_is_pruned_before_its_verdicts_are_collected(platform, monkeypatch):
    platform.load_sample_dimensions()
    monkeypatch.setattr(
        "stock_platform.orchestration.automation.pruning._RETENTION", timedelta(days=-1)
    )
    before = sum(len(all_(platform.instance, it.run_id)) for it in platform.instance.get_runs())
    result = platform.run("prune_event_logs")
    assert result.success
    assert check_results.newest(platform.paths) is None
    after = sum(
        len(all_(platform.instance, it.run_id))
        for it in platform.instance.get_runs()
        if it.run_id != result.run_id
    )
    assert after == before
    assert platform.run("quality_report").success
    assert platform.run("prune_event_logs").success
    assert len(platform.table("asset_check_result")) > 0
    assert platform.run("quality_report").success
