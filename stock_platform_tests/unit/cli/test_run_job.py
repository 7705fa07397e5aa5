"""The output of jobs that a command runs, and the messages of their failures."""

import io

import dagster as dg
import pytest
from rich.console import Console

from stock_platform.cli import run_job
from stock_platform.orchestration.assets.common import PROGRESS
from stock_platform_tests.support.commands import new_home


@dg.op
def fetch(context):
    for done in (1, 2, 3):
        context.log.info(f"fetched {done} of 3", extra={PROGRESS: (done, 3)})
    context.log.debug("a detail")
    context.log.warning("[AAPL] is late")


@dg.op(ins={"start": dg.In(dg.Nothing)})
def load():
    raise ValueError("the disk is full")


@dg.job(executor_def=dg.in_process_executor)
def fetches():
    fetch()


@dg.job(executor_def=dg.in_process_executor)
def loads():
    load(fetch())


@pytest.fixture
def shown(monkeypatch):
    """Run a job, and return its result and its output on a console."""
    monkeypatch.setattr(run_job, "definitions", lambda: dg.Definitions(jobs=[fetches, loads]))

    def run(job, **console):
        output = io.StringIO()
        with dg.DagsterInstance.ephemeral() as instance:
            return run_job.run(job, {}, instance, Console(file=output, **console)), (
                output.getvalue()
            )

    return run


def test_messages_are_grouped_by_step(shown, capfd):
    _, output = shown("fetches")
    *lines, last = output.splitlines()
    assert lines == [
        "fetches",
        "  fetch",
        "    fetched 1 of 3",
        "    fetched 2 of 3",
        "    fetched 3 of 3",
        "    warning: [AAPL] is late",
    ]
    assert last.startswith("  done in ")
    assert "dagster - " not in "".join(capfd.readouterr())


def test_terminal_shows_a_progress_bar(shown):
    _, output = shown("fetches", force_terminal=True, width=120)
    assert "fetched 1 of 3" not in output
    assert "fetched 3 of 3" in output
    assert "2/3" in output


def test_failure_names_reason_and_run_url(shown, monkeypatch, capfd):
    monkeypatch.setenv("STOCK_PLATFORM_DAGSTER_URL", "https://dagster.example.com/")
    result, output = shown("loads")
    assert output.splitlines()[-1].startswith("  failed after ")
    message = str(run_job.failure(result))
    assert "load: ValueError: the disk is full" in message
    assert f"https://dagster.example.com/runs/{result.run_id}" in message
    assert "Traceback" not in output + "".join(capfd.readouterr())


def test_run_can_be_repeated_in_the_ui(shown):
    result, _ = shown("fetches")
    config = result.dagster_run.run_config
    assert dg.validate_run_config(fetches, config)


def test_shared_instance_is_not_locked(tmp_path, monkeypatch):
    home = new_home(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        monkeypatch.setattr(type(instance.event_log_storage), "is_run_sharded", False)
    (home / "locks").write_text("as if the folder were read-only")
    with run_job.exclusive_instance(Console()) as instance:
        assert instance.root_directory == str(home)


def test_missing_home_is_explained(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with (
        pytest.raises(ValueError, match="export DAGSTER_HOME="),
        run_job.exclusive_instance(Console()),
    ):
        pass


def test_expected_errors_have_no_traceback():
    with pytest.raises(SystemExit, match="no such setting"), run_job.errors_in_one_line():
        raise ValueError("no such setting")
