"""Each thing that happened is told once, and none is left out."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from stock_platform.observability import news as module
from stock_platform.observability.news import Cursor, news
from stock_platform.observability.runs import ended_run, failed_checks


@dg.op
def maybe(context: dg.OpExecutionContext) -> None:
    if "fails" in context.run.tags:
        raise ValueError("no such price")


@dg.job
def some() -> None:
    maybe()


def run(instance, **tags):
    done = some.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    return done.run_id


def looks(instance, cursor, times):
    for _ in range(times):
        found = news(instance, cursor, ended_run)
        yield [it.run_id for it in found.runs]
        cursor = found.cursor


def test_what_happened_before_the_first_look_is_no_news(instance):
    run(instance)
    cursor = Cursor.now()
    assert list(looks(instance, cursor, 1)) == [[]]


def test_a_run_is_told_once_however_often_somebody_looks(instance):
    cursor = Cursor.now()
    first = run(instance)
    found = news(instance, cursor, ended_run)
    assert [it.run_id for it in found.runs] == [first]
    second = run(instance)
    assert list(looks(instance, found.cursor, 3)) == [[second], [], []]


def test_a_cursor_outlives_its_process(instance):
    cursor = Cursor.now()
    run(instance)
    found = news(instance, cursor, ended_run)
    again = Cursor.model_validate_json(found.cursor.model_dump_json())
    assert news(instance, again, ended_run).runs == ()


def test_a_tag_on_an_old_run_is_no_news(instance):
    old = run(instance)
    cursor = Cursor.now()
    instance.add_run_tags(old, {"seen": "by a person"})
    assert list(looks(instance, cursor, 1)) == [[]]


def test_a_run_that_ended_a_little_before_the_last_look_and_was_stored_after_it_is_told(instance):
    before = Cursor.now()
    late = run(instance)
    looked = news(instance, before, lambda *_: None).cursor
    unseen = looked.model_copy(update={"seen": frozenset()})
    assert list(looks(instance, unseen, 1)) == [[late]]


def test_after_a_long_silence_the_earliest_come_first_and_all_come(instance, monkeypatch):
    monkeypatch.setattr(module, "_MOST_RUNS", 3)
    cursor = Cursor.now()
    runs = [run(instance) for _ in range(5)]
    told = list(looks(instance, cursor, 4))
    assert told[0] == runs[:3]
    assert [it for look in told for it in look] == runs


def test_old_runs_that_somebody_tags_hide_no_end_behind_them(instance, monkeypatch):
    monkeypatch.setattr(module, "_MOST_RUNS", 3)
    monkeypatch.setattr(module, "_OVERLAP", timedelta(0))
    old = run(instance)
    cursor = Cursor.now()
    instance.add_run_tags(old, {"seen": "by a person"})
    runs = [run(instance) for _ in range(4)]
    told = [it for look in looks(instance, cursor, 4) for it in look]
    assert told == runs


def test_a_run_that_ended_before_where_a_look_stopped_and_was_tagged_after_is_told(
    instance, monkeypatch
):
    monkeypatch.setattr(module, "_MOST_RUNS", 2)
    monkeypatch.setattr(module, "_OVERLAP", timedelta(0))
    cursor = Cursor.now()
    tagged, *others = [run(instance) for _ in range(4)]
    instance.add_run_tags(tagged, {"seen": "by a person"})
    told = [it for look in looks(instance, cursor, 4) for it in look]
    assert told == [*others, tagged]


def test_a_look_that_takes_too_long_goes_on_with_the_next(instance, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_S", 0)
    cursor = Cursor.now()
    runs = [run(instance) for _ in range(3)]
    assert list(looks(instance, cursor, 4)) == [[it] for it in runs] + [[]]


def test_a_failed_run_says_why_and_for_which_session(instance):
    cursor = Cursor.now()
    run(instance, fails="yes", **{"dagster/partition": "2012-12-03"})
    (failed,) = news(instance, cursor, ended_run).runs
    assert failed.failed
    assert failed.error == "ValueError: no such price"
    assert (failed.job, failed.partition) == ("some", "2012-12-03")
    assert failed.duration_s > 0
    assert failed.batch is None


def test_a_run_whose_process_died_is_told_with_the_words_of_who_found_it_dead(instance):
    cursor = Cursor.now()
    dead = instance.create_run_for_job(some, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("the process was terminated by signal 9", dead)
    instance.report_run_failed(dead)
    (failed,) = news(instance, cursor, ended_run).runs
    assert (failed.run_id, failed.error) == (dead.run_id, "the process was terminated by signal 9")


def test_a_run_that_never_started_is_told_with_the_reason_of_who_gave_it_up(instance):
    cursor = Cursor.now()
    stuck = instance.create_run_for_job(some, status=dg.DagsterRunStatus.STARTING)
    instance.report_run_failed(stuck, message="taking longer than 300 seconds to start")
    (failed,) = news(instance, cursor, ended_run).runs
    assert failed.error == "taking longer than 300 seconds to start"
    assert failed.duration_s is None


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # backfill policies
def test_costs_of_a_run_are_added_up_once_for_an_asset(instance):
    days = dg.StaticPartitionsDefinition(["1", "2", "3"])
    single = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=days, backfill_policy=single)
    def spark(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        context.add_output_metadata({"run_estimated_usd": 0.25})
        return dg.MaterializeResult()

    @dg.asset(partitions_def=days, backfill_policy=single, deps=[spark])
    def load() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"bigquery_estimated_usd": 0.5})

    cursor = Cursor.now()
    tags = {f"dagster/asset_partition_range_{end}": n for end, n in (("start", "1"), ("end", "3"))}
    dg.materialize([spark, load], instance=instance, tags=tags)
    (done,) = news(instance, cursor, ended_run).runs
    assert done.usd == 0.75
    assert done.partition == "1...3"


def test_checks_that_failed_as_errors_are_told_and_warnings_are_not(instance):
    @dg.asset(check_specs=[dg.AssetCheckSpec(it, asset="prices") for it in ("bad", "odd", "good")])
    def prices() -> dg.MaterializeResult:
        warns = dg.AssetCheckSeverity.WARN
        return dg.MaterializeResult(
            check_results=[
                dg.AssetCheckResult(passed=False, check_name="bad", description="two are negative"),
                dg.AssetCheckResult(passed=False, check_name="odd", severity=warns),
                dg.AssetCheckResult(passed=True, check_name="good"),
            ]
        )

    cursor = Cursor.now()
    dg.materialize([prices], instance=instance)
    ((bad,),) = news(instance, cursor, failed_checks).runs
    assert (bad.asset, bad.name, bad.says) == ("prices", "bad", "two are negative")


def test_a_look_never_goes_back_behind_its_own_beginning(instance):
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert news(instance, Cursor(since=moment), ended_run).cursor.since == moment
