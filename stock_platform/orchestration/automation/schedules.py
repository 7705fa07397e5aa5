"""The schedules: jobs that start at fixed times."""

from typing import Any, Final

import dagster as dg

from stock_platform.orchestration.automation.jobs import (
    DAILY_STOCK_PRICES,
    FRESHNESS,
    REFERENCE_DATA,
)
from stock_platform.orchestration.automation.maintenance import maintain_processed_prices
from stock_platform.orchestration.automation.pruning import prune_event_logs

_IN_NEW_YORK: Final[dict[str, tuple[Any, str]]] = {
    "reference_data_schedule": (REFERENCE_DATA, "0 1 1 * *"),
    "maintain_processed_prices_schedule": (maintain_processed_prices, "0 11 * * 0"),
    "prune_event_logs_schedule": (prune_event_logs, "0 12 * * 0"),
}


def schedules(*, on: bool) -> list[Any]:
    """Build the schedules: prices nightly, freshness hourly, reference data monthly.

    The event log is pruned and the lake compacted on Sundays, when there is no session.

    Prices are fetched two hours after a session's day has ended in New York, when Yahoo's volume
    includes the closing auction. After a day without a session the previous session is requested
    under the same run key, which starts no second run.

    Args:
        on: whether the schedules run by default, without being switched on in the UI.
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
        *(
            dg.ScheduleDefinition(
                name=name,
                job=job,
                cron_schedule=cron,
                execution_timezone="America/New_York",
                default_status=status,
            )
            for name, (job, cron) in _IN_NEW_YORK.items()
        ),
    ]
