"""The schedules: when runs start by themselves."""

from typing import Any

import dagster as dg

from stock_platform.automation.jobs import DAILY_STOCK_PRICES, FRESHNESS, REFERENCE_DATA
from stock_platform.automation.pruning import prune_event_logs


def schedules(*, on: bool) -> list[Any]:
    """Prices each morning, whether they came each hour, days and sessions each month.

    The event log is pruned on Sundays, when no session has ended.

    Prices: two hours after a session's day ended in New York; by then Yahoo has settled the
    closing auction's volume. After a day without one the session before is asked for under the
    same run key, which starts no second run.

    Args:
        on: whether they run without being switched on in the UI.
    """
    status = dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.build_schedule_from_partitioned_job(
            DAILY_STOCK_PRICES,
            name="daily_stock_prices_schedule",
            hour_of_day=2,
            default_status=status,
        ),
        dg.ScheduleDefinition(
            name="freshness_schedule",
            job=FRESHNESS,
            cron_schedule="0 * * * *",
            default_status=status,
        ),
        dg.ScheduleDefinition(
            name="reference_data_schedule",
            job=REFERENCE_DATA,
            cron_schedule="0 1 1 * *",
            execution_timezone="America/New_York",
            default_status=status,
        ),
        dg.ScheduleDefinition(
            name="prune_event_logs_schedule",
            job=prune_event_logs,
            cron_schedule="0 12 * * 0",
            execution_timezone="America/New_York",
            default_status=status,
        ),
    ]
