"""Failed ticks and backfills are read once, and a newly failing sensor or schedule is noticed."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from stock_platform_tests.support.tick_factory import (
    ERROR,
    add_tick,
    fail_again,
    fail_tick,
    succeed,
)
from stock_platform_tests.unit.orchestration.monitoring.conftest import Feed, instance_in

SENSOR, SCHEDULE = "erp_csv_sensor", "daily_stock_prices_schedule"
REPORTED, KNOWN = [(SENSOR, True)], [(SENSOR, False)]


@pytest.fixture
def instance(tmp_path):
    with instance_in(tmp_path) as instance:
        yield instance


def ticks(feed):
    return [(tick.instigator, tick.newly_failing) for tick in feed.read().ticks]


def test_failing_sensor_is_new_once(instance, feed):
    fail_tick(instance, SENSOR)
    assert ticks(feed) == REPORTED
    fail_tick(instance, SENSOR, in_a_row=2)
    fail_tick(instance, SENSOR, in_a_row=3)
    assert [ticks(feed) for _ in range(2)] == [KNOWN, []]


def test_recovered_sensor_can_fail_again(instance, feed):
    fail_tick(instance, SENSOR)
    feed.read()
    succeed(instance, add_tick(instance, SENSOR))
    fail_tick(instance, SENSOR)
    fail_tick(instance, SENSOR, in_a_row=2)
    assert ticks(feed) == REPORTED


def test_brief_sensor_failure_is_reported(instance, feed):
    fail_tick(instance, SENSOR)
    succeed(instance, add_tick(instance, SENSOR))
    assert [ticks(feed) for _ in range(2)] == [REPORTED, []]


def test_many_unseen_failures_are_new(instance, feed):
    for count in range(1, 106):
        fail_tick(instance, SENSOR, in_a_row=count)
    (tick,) = feed.read().ticks
    assert (tick.newly_failing, tick.in_a_row) == (True, 105)


def test_late_schedule_tick_is_read_once(instance, feed):
    fail_tick(instance, SCHEDULE, due=datetime.now(UTC) - timedelta(days=2))
    assert [ticks(feed) for _ in range(2)] == [[(SCHEDULE, True)], []]


def test_recovered_failure_before_first_read_is_skipped(instance):
    fail_tick(instance, SENSOR)
    succeed(instance, add_tick(instance, SENSOR))
    assert ticks(Feed(instance)) == []


def test_ongoing_failure_at_first_read_is_new(instance):
    fail_tick(instance, SENSOR)
    assert ticks(Feed(instance)) == REPORTED


def test_repeated_tick_is_read_once(instance, feed):
    tick = fail_tick(instance, SCHEDULE, due=datetime.now(UTC))
    fail_again(instance, tick, in_a_row=7)
    assert ticks(feed) == [(SCHEDULE, True)]
    fail_again(instance, tick, in_a_row=8)
    assert ticks(feed) == []


def test_successful_repetition_counts_as_recovery(instance, feed):
    tick = fail_tick(instance, SCHEDULE, due=datetime.now(UTC) - timedelta(days=1))
    feed.read()
    succeed(instance, tick)
    fail_tick(instance, SCHEDULE, in_a_row=7, due=datetime.now(UTC))
    assert ticks(feed) == [(SCHEDULE, True)]


def fail_backfill(instance, backfill_id, failed_at):
    backfill = PartitionBackfill(
        backfill_id=backfill_id,
        status=BulkActionStatus.FAILED,
        from_failure=False,
        tags={},
        backfill_timestamp=(failed_at - timedelta(hours=1)).timestamp(),
        error=ERROR,
        asset_selection=[dg.AssetKey("raw_stock_prices")],
    )
    instance.add_backfill(backfill.with_end_timestamp(failed_at.timestamp()))


def test_failed_backfill_is_read_once(instance, feed):
    fail_backfill(instance, "abcdefgh", datetime.now(UTC))
    (failed,) = feed.read().backfills
    assert (failed.backfill_id, failed.error) == ("abcdefgh", "OSError: no route")
    assert feed.read().backfills == []
    assert Feed(instance).read().backfills == []


def test_failed_backfill_visible_late_is_read(instance, feed):
    now = datetime.now(UTC)
    for number in range(25):
        failed_at = now - timedelta(minutes=number)
        fail_backfill(instance, f"backfill-{number}", failed_at)
        assert [failed.backfill_id for failed in feed.read().backfills] == [f"backfill-{number}"]
    assert feed.read().backfills == []
