"""The schedules: when runs start by themselves."""

from typing import Any

import dagster as dg

from stock_platform.automation.jobs import DAILY_STOCK_PRICES


def daily_schedule(*, on: bool) -> Any:  # noqa: ANN401 - resolved with its partitions later; a private class
    """Each session's prices, two hours after its day ended in New York.

    By then Yahoo has settled the closing auction's volume. Days without a session are skipped.

    Args:
        on: whether it runs without being switched on in the UI.
    """
    return dg.build_schedule_from_partitioned_job(
        DAILY_STOCK_PRICES,
        name="daily_stock_prices_schedule",
        hour_of_day=2,
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED
        ),
    )
