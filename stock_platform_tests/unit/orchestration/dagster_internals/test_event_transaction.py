"""Evaluations in one transaction are stored as Dagster stores them one by one."""

from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from stock_platform.orchestration.dagster_internals.event_transaction import one_transaction

KEY = dg.AssetCheckKey(dg.AssetKey("prices"), "good")


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def evaluate(instance, *, sessions=("a", "b", "c"), fails=False):
    @dg.op
    def check(context: dg.OpExecutionContext) -> None:
        with one_transaction(context.instance):
            for session in sessions:
                evaluation = dg.AssetCheckEvaluation(
                    asset_key=KEY.asset_key,
                    check_name=KEY.name,
                    passed=session != "b",
                    metadata={},
                    partition=session,
                )
                context.log_event(evaluation)  # type: ignore[arg-type]
            if fails:
                raise ValueError

    @dg.job(executor_def=dg.in_process_executor)
    def checks() -> None:
        check()

    return checks.execute_in_process(instance=instance, raise_on_error=False)


def stored(instance):
    history = instance.event_log_storage.get_asset_check_execution_history(KEY, limit=10)
    return {record.partition: record.status.value for record in history}


def test_dagster_still_connects_by_shared_method():
    assert callable(SqliteEventLogStorage._connect)  # noqa: SLF001


def test_evaluations_are_stored_and_logged(instance):
    result = evaluate(instance)
    assert result.success
    assert stored(instance) == {"a": "SUCCEEDED", "b": "FAILED", "c": "SUCCEEDED"}
    logged = instance.get_records_for_run(
        result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    )
    assert len(logged.records) == 3


def test_error_rolls_back_every_evaluation(instance):
    assert not evaluate(instance, fails=True).success
    assert stored(instance) == {}
    assert evaluate(instance).success
    assert len(stored(instance)) == 3


def test_other_threads_wait_for_commit(instance):
    @dg.op
    def check(context: dg.OpExecutionContext) -> None:
        with ThreadPoolExecutor(1) as threads:
            with one_transaction(context.instance):
                evaluation = dg.AssetCheckEvaluation(
                    asset_key=KEY.asset_key, check_name=KEY.name, passed=True, metadata={}
                )
                context.log_event(evaluation)  # type: ignore[arg-type]
                other = threads.submit(stored, instance)
                with pytest.raises(TimeoutError):
                    other.result(timeout=0.5)
            assert other.result(timeout=30) == {None: "SUCCEEDED"}

    @dg.job(executor_def=dg.in_process_executor)
    def checks() -> None:
        check()

    assert checks.execute_in_process(instance=instance).success


def test_concurrent_transactions_restore_connection(instance):
    connect = instance.event_log_storage._connect  # noqa: SLF001 - the shared method

    def work(_):
        with one_transaction(instance):
            stored(instance)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(6)))
    assert instance.event_log_storage._connect == connect  # noqa: SLF001


def test_in_memory_storage_is_supported():
    with dg.DagsterInstance.ephemeral() as instance:
        assert evaluate(instance).success
        assert len(stored(instance)) == 3
