"""Each finished run is read once, none is left out, and none before its retry is decided."""

import time

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from stock_platform.orchestration.monitoring import finished_runs

LOCATION = RegisteredCodeLocationOrigin("stock_platform")
# Only runs that the daemon or the UI has launched have an origin.
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "some_job")


@dg.op
def fail_if_tagged(context: dg.OpExecutionContext) -> None:
    if "fails" in context.run.tags:
        raise ValueError("no such price")


@dg.job
def some_job() -> None:
    fail_if_tagged()


def run(instance, **tags):
    done = some_job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    return done.run_id


def create_run(instance, status=dg.DagsterRunStatus.STARTED, origin=ORIGIN, **tags):
    return instance.create_run_for_job(some_job, status=status, remote_job_origin=origin, tags=tags)


def kill(instance, **options):
    """A run whose process died."""
    killed = create_run(instance, **options)
    instance.report_run_failed(killed, "the process died")
    return killed.run_id


def retries(feed):
    return [(run.run_id, run.will_retry) for run in feed.read().runs]


def test_earlier_runs_are_not_read(instance, feed):
    run(instance)
    feed.read()
    assert type(feed)(instance).run_ids() == []


def test_each_run_is_read_once(instance, feed):
    first = run(instance)
    assert feed.run_ids() == [first]
    second = run(instance, fails="yes")
    assert [feed.run_ids() for _ in range(3)] == [[second], [], []]


def test_retagged_run_is_not_read_again(instance, feed):
    old = run(instance)
    feed.read()
    instance.add_run_tags(old, {"seen": "by a person"})
    assert feed.run_ids() == []


def test_long_backlog_is_paged(instance, feed, monkeypatch):
    monkeypatch.setattr(finished_runs, "_MAX_EVENTS", 3)
    runs = [run(instance) for _ in range(5)]
    instance.add_run_tags(runs[0], {"seen": "by a person"})
    assert [feed.run_ids() for _ in range(3)] == [runs[:3], runs[3:], []]


def test_slow_read_continues_on_next_page(instance, feed, monkeypatch):
    monkeypatch.setattr(finished_runs, "_READ_TIMEOUT_S", 0)
    failed, *succeeded = [run(instance, fails="yes"), run(instance), run(instance)]
    assert [feed.run_ids() for _ in range(4)] == [[failed], *([run_id] for run_id in succeeded), []]


def test_events_wait_for_late_commits(instance, feed, monkeypatch):
    monkeypatch.setattr(finished_runs, "_COMMIT_TIMEOUT_S", 60)
    fresh = run(instance)
    assert feed.run_ids() == []
    monkeypatch.setattr(finished_runs, "_COMMIT_TIMEOUT_S", 0)
    assert feed.run_ids() == [fresh]


def test_future_event_does_not_block(instance, feed, monkeypatch):
    monkeypatch.setattr(finished_runs, "_COMMIT_TIMEOUT_S", 60)
    fresh = run(instance)
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: an_hour_ago)
    assert feed.run_ids() == [fresh]


def test_deleted_run_is_skipped(instance, feed):
    instance.delete_run(run(instance))
    assert feed.run_ids() == []
    last = run(instance)
    assert feed.run_ids() == [last]


def test_failed_run_has_reason_and_session(instance, feed):
    run(instance, fails="yes", **{"dagster/partition": "2012-12-03"})
    (failed,) = feed.read().runs
    assert failed.is_failed
    assert failed.error == "ValueError: no such price"
    assert (failed.job, failed.partition) == ("some_job", "2012-12-03")
    assert failed.duration_s > 0
    assert failed.batch is None


def test_dead_run_has_engine_message(instance, feed):
    dead = create_run(instance, origin=None)
    instance.report_engine_event("the process was terminated by signal 9", dead)
    instance.report_run_failed(dead)
    (failed,) = feed.read().runs
    assert (failed.run_id, failed.error) == (dead.run_id, "the process was terminated by signal 9")


def test_unstarted_run_has_reason(instance, feed):
    stuck = create_run(instance, status=dg.DagsterRunStatus.STARTING, origin=None)
    instance.report_run_failed(stuck, message="taking longer than 300 seconds to start")
    (failed,) = feed.read().runs
    assert failed.error == "taking longer than 300 seconds to start"
    assert failed.duration_s is None


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # backfill policies
def test_range_run_counts_cost_once(instance, feed):
    days = dg.StaticPartitionsDefinition(["1", "2", "3"])
    single = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=days, backfill_policy=single)
    def spark(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        context.add_output_metadata({"run_estimated_usd": 0.25})
        return dg.MaterializeResult()

    @dg.asset(partitions_def=days, backfill_policy=single, deps=[spark])
    def load() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"bigquery_estimated_usd": 0.5})

    tags = {f"dagster/asset_partition_range_{end}": n for end, n in (("start", "1"), ("end", "3"))}
    dg.materialize([spark, load], instance=instance, tags=tags)
    (done,) = feed.read().runs
    assert (done.usd, done.partition) == (0.75, "1...3")


def test_only_errors_are_failed_checks(instance, feed):
    names = ("bad", "odd", "good")

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="prices") for name in names])
    def prices() -> dg.MaterializeResult:
        warns = dg.AssetCheckSeverity.WARN
        return dg.MaterializeResult(
            check_results=[
                dg.AssetCheckResult(passed=False, check_name="bad", description="two are negative"),
                dg.AssetCheckResult(passed=False, check_name="odd", severity=warns),
                dg.AssetCheckResult(passed=True, check_name="good"),
            ]
        )

    dg.materialize([prices], instance=instance)
    (done,) = feed.read().runs
    ((asset, name, description),) = [
        (check.asset, check.name, check.description) for check in done.failed_checks
    ]
    assert (asset, name, description) == ("prices", "bad", "two are negative")


def test_terminal_run_is_final_at_once(instance, feed):
    killed = kill(instance, origin=None)
    assert retries(feed) == [(killed, False)]


def test_retried_run_waits_for_decision(instance, feed):
    killed = kill(instance)
    assert retries(feed) == []
    instance.add_run_tags(killed, {AUTO_RETRY_RUN_ID_TAG: "another"})
    assert [retries(feed) for _ in range(2)] == [[(killed, True)], []]


def test_pending_run_hides_no_other(instance, feed):
    killed, failed = kill(instance), kill(instance, origin=None)
    succeeded = run(instance)
    assert feed.run_ids() == [succeeded]
    instance.add_run_tags(killed, {AUTO_RETRY_RUN_ID_TAG: "another"})
    assert feed.run_ids() == [killed, failed]


def test_unretried_run_is_final_after_timeout(instance, feed, monkeypatch):
    killed = kill(instance)
    assert retries(feed) == []
    monkeypatch.setattr(finished_runs, "_RETRY_DECISION_TIMEOUT_S", 0)
    assert retries(feed) == [(killed, False)]


def test_last_attempt_is_final_at_once(instance, feed):
    killed = kill(instance, **{"dagster/max_retries": "0"})
    assert retries(feed) == [(killed, False)]


def test_unsubmitted_retry_leaves_run_final(instance, feed):
    killed = kill(instance)
    instance.add_run_tags(killed, {AUTO_RETRY_RUN_ID_TAG: "another", WILL_RETRY_TAG: "false"})
    assert retries(feed) == [(killed, False)]


def test_half_stored_end_is_postponed(instance, feed, monkeypatch):
    monkeypatch.setattr(instance.run_storage, "handle_run_event", lambda *_: None)
    ending = create_run(instance, origin=None)
    instance.report_run_failed(ending)
    assert not instance.get_run_by_id(ending.run_id).is_finished
    assert feed.run_ids() == []
    monkeypatch.undo()
    instance.report_run_failed(ending)
    monkeypatch.setattr(finished_runs, "_COMMIT_TIMEOUT_S", 0)
    assert feed.run_ids() == [ending.run_id]


def test_end_without_retry_tag_is_postponed(instance, feed, monkeypatch):
    monkeypatch.setattr(instance, "add_run_tags", lambda *_: None)
    kill(instance)
    assert feed.run_ids() == []
