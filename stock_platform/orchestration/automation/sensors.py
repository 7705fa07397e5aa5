"""The sensors: what starts a run because something happened."""

import hashlib
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

import dagster as dg

from stock_platform.erp.landing import list_deleted_rejects, list_unprocessed
from stock_platform.lake.paths import ERP_KINDS
from stock_platform.orchestration.automation.jobs import ERP_LOAD, QUALITY_REPORT
from stock_platform.orchestration.dagster_internals.dead_runs import is_underway, unfinished_runs
from stock_platform.orchestration.resources import LakeResource

_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_ATTEMPTS: Final = 3
# Which files a load was asked for.
_FILES_TAG: Final = "stock_platform/erp_files"


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
    if _is_underway(context.instance, QUALITY_REPORT.name):
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
    failed = _failed_in_a_row(instance, QUALITY_REPORT.name)
    return failed[0].run_id if 0 < len(failed) < _ATTEMPTS else None


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
    once whatever the daemon forgets or does twice. One run takes all that wait, in order. A load
    that failed is asked for again, for its tables may be behind; after so many failures only
    when the folder changes. One that a person ended is asked for when a file waits.
    """
    waiting = [it for kind in ERP_KINDS for it in list_unprocessed(lake.paths, kind)]
    settled = [it for it in waiting if it.settles_at <= datetime.now(UTC)]
    left = [it for kind in ERP_KINDS for it in list_deleted_rejects(lake.paths, kind)]
    failed = _failed_in_a_row(context.instance, ERP_LOAD.name)
    if not (settled or left or failed):
        return dg.SkipReason(f"{len(waiting)} files are still being written" if waiting else None)
    if _is_underway(context.instance, ERP_LOAD.name):
        return dg.SkipReason("a load is on its way")
    names = "\n".join(sorted(f"{it.kind}/{it.key}" for it in settled))
    digest = hashlib.sha256(names.encode()).hexdigest()[:16]
    if len(failed) >= _ATTEMPTS and digest in {it.tags.get(_FILES_TAG) for it in failed}:
        return dg.SkipReason(
            f"the last {len(failed)} loads failed: see their runs, mend the cause, and launch "
            "erp_load"
        )
    newest = context.instance.get_runs(dg.RunsFilter(job_name=ERP_LOAD.name), limit=1)
    after = newest[0].run_id if newest else "none"
    return dg.RunRequest(run_key=f"{digest}-after-{after}", tags={_FILES_TAG: digest})


def _failed_in_a_row(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    """The newest runs of a job, as long as they failed; no more than are ever repeated."""
    newest = instance.get_runs(dg.RunsFilter(job_name=job), limit=_ATTEMPTS)
    return list(takewhile(lambda it: it.status is dg.DagsterRunStatus.FAILURE, newest))


def _is_underway(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of a job executes or is about to; a run of a dead process does not count."""
    return any(is_underway(instance, run) for run in unfinished_runs(instance, job))


SENSORS: Final = (quality_report_sensor, erp_csv_sensor)
