"""Sensors request one report after finished runs, and one load for waiting files."""

import os

import dagster as dg
import pytest

from stock_platform.lake import files
from stock_platform.orchestration.automation.sensors import erp_csv_sensor, quality_report_sensor
from stock_platform.orchestration.resources import LakeResource
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES


@dg.op
def nothing() -> None:
    pass


@dg.op
def fail() -> None:
    raise ValueError


def job_of(op, name):
    @dg.job(name=name)
    def job() -> None:
        op()

    return job


some_run, report_run = job_of(nothing, "some_run"), job_of(nothing, "quality_report")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(instance, cursor=None):
    context = dg.build_sensor_context(instance, cursor=cursor)
    return quality_report_sensor(context)


def test_no_finished_run_requests_no_report(instance):
    assert "no run has ended" in str(tick(instance).skip_message)


def test_finished_runs_request_one_report(instance):
    for _ in range(3):
        some_run.execute_in_process(instance=instance)
    asked = tick(instance)
    assert len(asked.run_requests) == 1
    assert "no run has ended" in str(tick(instance, asked.cursor).skip_message)
    some_run.execute_in_process(instance=instance)
    again = tick(instance, asked.cursor)
    assert again.run_requests[0].run_key != asked.run_requests[0].run_key


def test_report_does_not_request_another(instance):
    report_run.execute_in_process(instance=instance)
    assert "no run has ended" in str(tick(instance).skip_message)


def test_failed_run_requests_report(instance):
    job_of(fail, "failing").execute_in_process(instance=instance, raise_on_error=False)
    assert len(tick(instance).run_requests) == 1


def test_running_report_blocks_further_requests(instance):
    some_run.execute_in_process(instance=instance)
    instance.create_run_for_job(report_run, status=dg.DagsterRunStatus.STARTED)
    assert "already queued" in str(tick(instance).skip_message)


def test_failed_report_is_retried_twice(instance):
    broken_report = job_of(fail, "quality_report")
    some_run.execute_in_process(instance=instance)
    cursor, keys = tick(instance).cursor, []
    for _ in range(2):
        broken_report.execute_in_process(instance=instance, raise_on_error=False)
        again = tick(instance, cursor)
        keys += [request.run_key for request in again.run_requests]
        assert again.cursor == cursor
    assert len(set(keys)) == 2
    broken_report.execute_in_process(instance=instance, raise_on_error=False)
    assert "no run has ended" in str(tick(instance, cursor).skip_message)
    some_run.execute_in_process(instance=instance)
    assert tick(instance, cursor).run_requests


def erp_tick(platform):
    context = dg.build_sensor_context(platform.instance)
    return erp_csv_sensor(context, lake=LakeResource(root=platform.settings.lake))


def launch(platform, asked):
    return platform.defs.resolve_job_def("erp_load").execute_in_process(
        instance=platform.instance, tags=dict(asked.tags), raise_on_error=False
    )


def test_waiting_files_request_one_load(platform):
    assert isinstance(erp_tick(platform), dg.SkipReason)
    platform.drop_companies(*SAMPLE_COMPANIES)
    asked, again = erp_tick(platform), erp_tick(platform)
    assert asked.run_key == again.run_key
    assert launch(platform, asked).success
    assert isinstance(erp_tick(platform), dg.SkipReason)
    platform.drop_companies(*SAMPLE_COMPANIES[:7])
    assert erp_tick(platform).run_key != asked.run_key


def test_unfinished_file_requests_no_load(platform):
    platform.drop_companies(*SAMPLE_COMPANIES)
    for kind in ("companies", "exchanges"):
        os.utime(f"{platform.paths.landing(kind)}/{kind}.csv")
    assert "still being written" in erp_tick(platform).skip_message


def test_failed_load_is_requested_again(platform):
    platform.drop_companies("not,a,row")
    platform.drop("exchanges", "exchanges.csv", "nothing")
    keys = []
    for _ in range(3):
        asked = erp_tick(platform)
        keys.append(asked.run_key)
        assert not launch(platform, asked).success
    assert len(set(keys)) == 3


def test_load_failing_after_ingestion_is_requested_again(platform):
    platform.drop_companies(*SAMPLE_COMPANIES)
    asked = erp_tick(platform)
    failing = {"instance": platform.instance, "raise_on_error": False}
    job_of(fail, "erp_load").execute_in_process(**failing, tags=dict(asked.tags))
    platform.run("erp_load")
    assert isinstance(erp_tick(platform), dg.SkipReason)
    job_of(fail, "erp_load").execute_in_process(**failing)
    assert isinstance(erp_tick(platform), dg.RunRequest)


def test_canceled_load_is_not_requested_again(platform):
    platform.drop_companies(*SAMPLE_COMPANIES)
    assert launch(platform, erp_tick(platform)).success
    load = platform.defs.resolve_job_def("erp_load")
    ended = platform.instance.create_run_for_job(load)
    platform.instance.report_run_canceled(ended)
    assert isinstance(erp_tick(platform), dg.SkipReason)
    platform.drop_companies(*SAMPLE_COMPANIES[:7])
    assert isinstance(erp_tick(platform), dg.RunRequest)


def test_tick_reads_no_processed_records(platform, monkeypatch):
    platform.drop_companies(*SAMPLE_COMPANIES)
    platform.drop("companies", "bad.csv", "nothing")
    launch(platform, erp_tick(platform))
    read = []
    monkeypatch.setattr(files, "read", read.append)
    assert isinstance(erp_tick(platform), dg.SkipReason)
    assert read == []


def test_deleted_reject_requests_load(platform):
    platform.drop_companies(*SAMPLE_COMPANIES)
    bad = platform.drop("companies", "bad.csv", "nothing")
    launch(platform, erp_tick(platform))
    assert isinstance(erp_tick(platform), dg.SkipReason)
    bad.unlink()
    launch(platform, erp_tick(platform))
    assert isinstance(erp_tick(platform), dg.SkipReason)
