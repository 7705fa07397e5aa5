"""The sensors: what starts a run because something happened."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

import dagster as dg

from stock_platform.automation.jobs import ERP_LOAD, QUALITY_REPORT
from stock_platform.lake.erp_landing import pending
from stock_platform.lake.paths import ERP_KINDS
from stock_platform.resources import LakeResource

_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_ATTEMPTS: Final = 3
_FAILED: Final = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
# Which files a load was asked for.
_FILES_TAG: Final = "stock_platform/erp_files"
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
    if _count(context.instance, QUALITY_REPORT.name, _WAITING):
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


@dg.sensor(
    job=ERP_LOAD,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def erp_csv_sensor(
    context: dg.SensorEvaluationContext, lake: LakeResource
) -> dg.RunRequest | dg.SkipReason:
    """A load when files lie in the landing folder that were never dealt with.

    It remembers nothing: what became of each file stands in the lake, so a file is asked for
    once whatever the daemon forgets or does twice. One run takes all that wait, in order.
    """
    waiting = [it for kind in ERP_KINDS for it in pending(lake.paths, kind)]
    settled = [it for it in waiting if it.settles_at <= datetime.now(UTC)]
    if not settled:
        return dg.SkipReason(f"{len(waiting)} files are still being written" if waiting else None)
    if _count(context.instance, ERP_LOAD.name, _WAITING):
        return dg.SkipReason("a load is on its way")
    names = "\n".join(f"{it.kind}/{it.key}" for it in settled)
    digest = hashlib.sha256(names.encode()).hexdigest()[:16]
    failed = _count(context.instance, ERP_LOAD.name, _FAILED, {_FILES_TAG: digest})
    if failed >= _ATTEMPTS:
        return dg.SkipReason(
            f"the load of {', '.join(it.name for it in settled)} failed {failed} times: see its "
            "runs, then launch erp_load"
        )
    return dg.RunRequest(run_key=f"{digest}-{failed}", tags={_FILES_TAG: digest})


def _count(
    instance: dg.DagsterInstance,
    job: str,
    statuses: Sequence[dg.DagsterRunStatus],
    tags: Mapping[str, str] | None = None,
) -> int:
    wanted = dg.RunsFilter(job_name=job, statuses=list(statuses), tags=dict(tags or {}))
    return instance.get_runs_count(wanted)


SENSORS: Final = (quality_report_sensor, erp_csv_sensor)
