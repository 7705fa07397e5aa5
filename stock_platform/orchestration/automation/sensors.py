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
from stock_platform.plain_text import pluralise

_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_MAX_ATTEMPTS: Final = 3
# Digest of the files that a load was requested for.
_FILES_TAG: Final = "stock_platform/erp_files"


@dg.sensor(
    job=QUALITY_REPORT,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def quality_report_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Request the quality page after runs have ended, at most once a minute.

    While a report is queued or running, the cursor stays. Runs that end meanwhile get the next one.
    """
    if _is_underway(context.instance, QUALITY_REPORT.name):
        return dg.SkipReason("a report is already queued or running")
    if failed := _failed_report(context.instance):
        return dg.SensorResult([dg.RunRequest(run_key=f"after-{failed}")], cursor=context.cursor)
    seen = datetime.fromisoformat(context.cursor) if context.cursor else None
    ended = context.instance.get_run_records(
        dg.RunsFilter(statuses=list(_ENDED), updated_after=seen),
        order_by="update_timestamp",
        ascending=False,
        limit=100,
    )
    unreported = [run for run in ended if run.dagster_run.job_name != QUALITY_REPORT.name]
    if not unreported:
        return dg.SkipReason("no run has ended since the last report")
    newest = unreported[0].update_timestamp.replace(tzinfo=UTC).isoformat()
    return dg.SensorResult([dg.RunRequest(run_key=newest)], cursor=newest)


def _failed_report(instance: dg.DagsterInstance) -> str | None:
    """Return the newest report if it failed, but not after repeated failures."""
    failed = _failed_in_a_row(instance, QUALITY_REPORT.name)
    return failed[0].run_id if 0 < len(failed) < _MAX_ATTEMPTS else None


@dg.sensor(
    job=ERP_LOAD,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def erp_csv_sensor(
    context: dg.SensorEvaluationContext, lake: LakeResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a load of all files in the landing folder that were not processed yet.

    The sensor has no cursor: the lake records which files were processed, so no file is loaded
    twice, even if the daemon repeats a tick. A failed load is requested again, because its tables
    may be out of date, but after repeated failures only once the folder changes. A canceled load is
    requested again if a file is waiting.
    """
    waiting = [file for kind in ERP_KINDS for file in list_unprocessed(lake.paths, kind)]
    settled = [file for file in waiting if file.settles_at <= datetime.now(UTC)]
    deleted = [file for kind in ERP_KINDS for file in list_deleted_rejects(lake.paths, kind)]
    failed = _failed_in_a_row(context.instance, ERP_LOAD.name)
    if not (settled or deleted or failed):
        verb = "is" if len(waiting) == 1 else "are"
        reason = f"{pluralise(len(waiting), 'file')} {verb} still being written"
        return dg.SkipReason(reason if waiting else None)
    if _is_underway(context.instance, ERP_LOAD.name):
        return dg.SkipReason("a load is already queued or running")
    names = "\n".join(sorted(f"{file.kind}/{file.key}" for file in settled))
    digest = hashlib.sha256(names.encode()).hexdigest()[:16]
    if len(failed) >= _MAX_ATTEMPTS and digest in {run.tags.get(_FILES_TAG) for run in failed}:
        return dg.SkipReason(
            f"the last {len(failed)} loads failed: see their runs, fix the cause, then launch "
            "erp_load"
        )
    newest = context.instance.get_runs(dg.RunsFilter(job_name=ERP_LOAD.name), limit=1)
    after = newest[0].run_id if newest else "none"
    return dg.RunRequest(run_key=f"{digest}-after-{after}", tags={_FILES_TAG: digest})


def _failed_in_a_row(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    """Return the failed runs of a job since its last other run, at most `_MAX_ATTEMPTS`."""
    newest = instance.get_runs(dg.RunsFilter(job_name=job), limit=_MAX_ATTEMPTS)
    return list(takewhile(lambda run: run.status is dg.DagsterRunStatus.FAILURE, newest))


def _is_underway(instance: dg.DagsterInstance, job: str) -> bool:
    """Return whether a run of a job is queued or running. Runs of dead processes do not count."""
    return any(is_underway(instance, run) for run in unfinished_runs(instance, job))


SENSORS: Final = (quality_report_sensor, erp_csv_sensor)
