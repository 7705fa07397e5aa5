"""The sessions that the daily schedule requests."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from stock_platform.definitions import build_definitions
from stock_platform.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def repository():
    settings = Settings(market_data="yahoo", start_date=date(2026, 1, 2))
    return build_definitions(settings).get_repository_def()


def requests(repository, *moment):
    schedule = repository.get_schedule_def("daily_stock_prices_schedule")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(*moment, tzinfo=NEW_YORK), repository_def=repository
    ) as context:
        tick = schedule.evaluate_tick(context)
    return [(request.partition_key, request.run_key) for request in tick.run_requests]


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        ((2026, 11, 18, 2), "2026-11-17"),
        ((2026, 11, 21, 2), "2026-11-20"),  # Saturday, for Friday
        ((2026, 11, 22, 2), "2026-11-20"),  # and again, under the same run key: no second run
        ((2026, 11, 23, 2), "2026-11-20"),
        ((2026, 11, 24, 2), "2026-11-23"),
        ((2026, 9, 8, 2), "2026-09-04"),  # after Labor Day
        ((2026, 3, 10, 2), "2026-03-09"),  # the first session after the change of clocks
    ],
)
def test_schedule_requests_last_session_once(repository, moment, session):
    assert requests(repository, *moment) == [(session, session)]


@pytest.mark.parametrize(("source", "status"), [("yahoo", "RUNNING"), ("sample", "STOPPED")])
def test_only_live_prices_start_schedules(source, status):
    defs = build_definitions(Settings(market_data=source))
    schedules = defs.get_repository_def().schedule_defs
    assert {schedule.name: schedule.default_status.value for schedule in schedules} == {
        "daily_stock_prices_schedule": status,
        "freshness_schedule": status,
        "reference_data_schedule": status,
        "prune_event_logs_schedule": status,
        "maintain_processed_prices_schedule": status,
    }
