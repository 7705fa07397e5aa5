"""The sensors: what starts a run because something happened."""

from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

import dagster as dg

from stock_platform.automation.jobs import QUALITY_REPORT

_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_ATTEMPTS: Final = 3
_WAITING: Final = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


@dg.sensor(
    job=QUALITY_REPORT,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def quality_report_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """The page again after runs have ended, however they ended: one for all of a minute.

    While a report is on its way nothing is asked for, and the cursor stays, so that what ends
    meanwhile gets one of its own.
    """
    under_way = context.instance.get_runs_count(
        dg.RunsFilter(job_name=QUALITY_REPORT.name, statuses=list(_WAITING))
    )
    if under_way:
        return dg.SkipReason("a report is on its way")
    if failed := _failed_report(context.instance):
        return dg.SensorResult([dg.RunRequest(run_key=f"after-{failed}")], cursor=context.cursor)
    seen = datetime.fromisoformat(context.cursor) if context.cursor else None
    ended = context.instance.get_run_records(
        dg.RunsFilter(statuses=list(_ENDED), updated_after=seen),
        order_by="update_timestamp",
        ascending=False,
        limit=100,
    )
    news = [it for it in ended if it.dagster_run.job_name != QUALITY_REPORT.name]
    if not news:
        return dg.SkipReason("no run has ended since the last report")
    newest = news[0].update_timestamp.replace(tzinfo=UTC).isoformat()
    return dg.SensorResult([dg.RunRequest(run_key=newest)], cursor=newest)


def _failed_report(instance: dg.DagsterInstance) -> str | None:
    """The newest report, if it failed; after so many in a row a person has to look."""
    newest = instance.get_runs(dg.RunsFilter(job_name=QUALITY_REPORT.name), limit=_ATTEMPTS)
    in_a_row = list(takewhile(lambda it: it.status is dg.DagsterRunStatus.FAILURE, newest))
    return newest[0].run_id if 0 < len(in_a_row) < _ATTEMPTS else None


SENSORS: Final = (quality_report_sensor,)
