"""What is told of a run that ended is what Dagster will do, and not what its tags promise."""

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, WILL_RETRY_TAG

from stock_platform.observability.runs import ended_run


@dg.op
def nothing() -> None:
    pass


@dg.job
def some_job() -> None:
    nothing()


def will_retry(instance, **tags):
    run = instance.create_run_for_job(some_job, tags=tags)
    instance.report_run_failed(run)
    # As run monitoring does, after Dagster's own judgement.
    instance.add_run_tags(run.run_id, tags)
    return ended_run(instance, instance.get_run_record_by_id(run.run_id)).will_retry


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as it:
        yield it


@pytest.fixture(params=[BulkActionStatus.REQUESTED, BulkActionStatus.COMPLETED_FAILED])
def backfill(request, instance):
    made = PartitionBackfill(
        backfill_id="b",
        status=request.param,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
    )
    instance.add_backfill(made)
    return made


def test_a_run_that_is_not_to_be_started_again_is_final(instance):
    assert not will_retry(instance, **{WILL_RETRY_TAG: "false"})


def test_a_run_that_is_started_again_is_not_final(instance):
    assert will_retry(instance, **{WILL_RETRY_TAG: "true"})


def test_a_run_of_a_backfill_is_final_when_the_backfill_is_over(instance, backfill):
    goes_on = backfill.status is BulkActionStatus.REQUESTED
    tags = {WILL_RETRY_TAG: "true", BACKFILL_ID_TAG: backfill.backfill_id}
    assert will_retry(instance, **tags) == goes_on
    assert will_retry(instance, **tags, **{AUTO_RETRY_RUN_ID_TAG: "another"})


def test_a_run_of_a_backfill_that_was_deleted_is_final(instance):
    assert not will_retry(instance, **{WILL_RETRY_TAG: "true", BACKFILL_ID_TAG: "gone"})
