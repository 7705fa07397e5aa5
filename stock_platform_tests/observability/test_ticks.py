"""A sensor or schedule that fails is told, and calls a person when it begins to fail."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from stock_platform.observability.news import Cursor, news
from stock_platform_tests.observability.conftest import instance_in
from stock_platform_tests.observability.ticking import ERROR, fail_a_tick, fail_again

SENSOR, SCHEDULE = "erp_csv_sensor", "daily_stock_prices_schedule"


@pytest.fixture
def instance(tmp_path):
    with instance_in(tmp_path) as it:
        yield it


@pytest.fixture
def look(instance):
    """Looks from now on: how many ticks are told, and who began to fail."""
    cursor = Cursor.now()

    def once():
        nonlocal cursor
        found = news(instance, cursor, lambda *_: None)
        cursor = found.cursor
        return len(found.ticks), [it.instigator for it in found.begun]

    return once


def test_a_sensor_that_goes_on_failing_begins_once(instance, look):
    fail_a_tick(instance, SENSOR)
    assert look() == (1, [SENSOR])
    fail_a_tick(instance, SENSOR, in_a_row=2)
    fail_a_tick(instance, SENSOR, in_a_row=3)
    assert look() == (2, [])
    assert look() == (0, [])


def test_a_sensor_that_fails_again_after_a_success_begins_again(instance, look):
    fail_a_tick(instance, SENSOR)
    look()
    fail_a_tick(instance, SENSOR, in_a_row=1)
    assert look() == (1, [SENSOR])


def test_a_sensor_of_whose_failures_the_first_is_out_of_sight_has_begun(instance, look):
    for count in range(1, 106):
        fail_a_tick(instance, SENSOR, in_a_row=count)
    assert look() == (100, [SENSOR])


def test_a_tick_that_fails_long_after_it_was_due_is_told_once(instance, look):
    due = datetime.now(UTC) - timedelta(days=2)
    fail_a_tick(instance, SCHEDULE, due=due)
    assert look() == (1, [SCHEDULE])
    assert look() == (0, [])


def test_a_tick_that_failed_before_the_first_look_is_no_news(instance):
    fail_a_tick(instance, SCHEDULE, due=datetime.now(UTC))
    assert news(instance, Cursor.now(), lambda *_: None).ticks == ()


def test_a_tick_that_dagster_repeats_in_place_begins_whenever_it_is_first_seen(instance, look):
    tick = fail_a_tick(instance, SCHEDULE, due=datetime.now(UTC))
    fail_again(instance, tick, in_a_row=7)
    assert look() == (1, [SCHEDULE])
    fail_again(instance, tick, in_a_row=8)
    assert look() == (0, [])


def test_a_backfill_that_was_given_up_before_it_started_a_run_is_told_once(instance, look):
    given_up = PartitionBackfill(
        backfill_id="abcdefgh",
        status=BulkActionStatus.FAILED,
        from_failure=False,
        tags={},
        backfill_timestamp=(datetime.now(UTC) - timedelta(hours=1)).timestamp(),
        error=ERROR,
        asset_selection=[dg.AssetKey("raw_stock_prices")],
    ).with_end_timestamp(datetime.now(UTC).timestamp())
    instance.add_backfill(given_up)
    assert look() == (1, ["backfill"])
    assert look() == (0, [])
