"""A run writes one JSON object per line to standard output, and nothing twice."""

import io
import json
import logging
import warnings

import dagster as dg
import pytest
from rich.console import Console

from stock_platform.cli import run_job
from stock_platform.orchestration.monitoring.event_log import EventLogger
from stock_platform.orchestration.monitoring.failed_ticks import FailedTick
from stock_platform.orchestration.monitoring.json_logs import FIELDS, JsonFormatter
from stock_platform_tests.unit.orchestration.monitoring.conftest import instance_in

DAYS = dg.StaticPartitionsDefinition(["2012-12-03", "2012-12-04"])
RANGE = {
    "dagster/asset_partition_range_start": "2012-12-03",
    "dagster/asset_partition_range_end": "2012-12-04",
}


def fetch(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.debug("unseen")
    context.log.info("fetched %s symbols", 5)
    for count, key in enumerate(context.partition_keys, start=1):
        context.add_asset_metadata({"dagster/row_count": count}, partition_key=key)
    return dg.MaterializeResult(metadata={"run_estimated_usd": 0.125, "run_spark_seconds": 2.5})


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # backfill policies
    prices = dg.asset(
        fetch, name="prices", partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run()
    )


@dg.asset_check(asset=prices)
def positive(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    for day in DAYS.get_partition_keys():
        context.op_execution_context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("prices"),
                check_name="positive",
                passed=day == "2012-12-04",
                metadata={"offending": 3},
                description="3 of 5 bars failed",
                partition=day,
            )
        )
    return dg.AssetCheckResult(passed=False, description="1 of 2 sessions of this run fail")


@dg.asset
def broken() -> None:
    try:
        {}["Close"]
    except KeyError as error:
        raise ValueError("no price\nin the response") from error


def read_lines(capfd):
    out, err = capfd.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.split("\n") if line]


def formatted(**record):
    return JsonFormatter().format(logging.makeLogRecord({"levelname": "ERROR", **record}))


@pytest.fixture
def lines(logging_instance, capfd):
    selection = [prices, positive]
    dg.materialize(selection, instance=logging_instance, tags=RANGE, raise_on_error=False)
    return read_lines(capfd)


def events(lines, name):
    return [line for line in lines if line.get("event") == name]


def test_range_run_logs_cost_once(lines):
    materialized = events(lines, "materialized")
    # Dagster logs the sessions of a range in no particular order.
    assert {line["partition"]: line["rows"] for line in materialized} == {
        "2012-12-03": 1,
        "2012-12-04": 2,
    }
    assert len(materialized) == 2
    assert [line.get("usd") for line in materialized] == [0.125, None]
    assert [line.get("duration_s") for line in materialized] == [2.5, None]
    assert {line["severity"] for line in materialized} == {"INFO"}
    assert {line["asset"] for line in materialized} == {"prices"}


def test_failed_check_is_logged_per_session(lines):
    (failed,) = events(lines, "check_failed")
    assert (failed["severity"], failed["check_severity"]) == ("ERROR", "ERROR")
    assert (failed["asset"], failed["check"]) == ("prices", "positive")
    assert (failed["partition"], failed["offending"]) == ("2012-12-03", 3)
    assert failed["message"] == "3 of 5 bars failed"


def test_message_has_run_and_step(lines):
    (message,) = [line for line in lines if line["message"] == "fetched 5 symbols"]
    assert (message["severity"], message["step"]) == ("INFO", "prices")
    assert len(message["run_id"]) == 36
    assert message["timestamp"].endswith("+00:00")


def test_debug_messages_are_left_out(lines):
    assert "unseen" not in str(lines)
    assert {line.get("event") for line in lines if line["severity"] == "DEBUG"} == set()
    assert not any(line["message"].startswith("Started execution of step") for line in lines)


def test_exception_is_one_line(logging_instance, capfd):
    dg.materialize([broken], instance=logging_instance, raise_on_error=False)
    (failed,) = [
        line for line in read_lines(capfd) if line.get("step") == "broken" and "error" in line
    ]
    assert failed["severity"] == "ERROR"
    assert failed["error"] == "KeyError: 'Close'"
    assert "ValueError: no price\nin the response" in failed["stack_trace"]
    assert "in broken" in failed["stack_trace"]


@pytest.mark.parametrize("code", [0xD800, 0x00, 0x2028], ids=["half a pair", "nul", "separator"])
def test_any_character_can_be_logged(code):
    # Not through a logger: what pytest captures must be UTF-8.
    message = json.loads(formatted(msg=f"before {chr(code)} after"))["message"]
    assert message.startswith("before ")
    assert message.endswith(" after")


@pytest.mark.parametrize("value", [2**70, {("a", 1): 2}, {1, 2}, object()])
def test_any_value_can_be_logged(value):
    assert json.loads(formatted(msg="seen", **{FIELDS: {"rows": value}}))["message"] == "seen"


@pytest.mark.parametrize("text", ["x", "\n", "é", "\x00"])
def test_long_line_keeps_beginning_and_end(logging_instance, capfd, text):
    error = f"begin {text * 100_000} end"
    EventLogger(logging_instance).tick_failed(FailedTick("sensor", error, 1, newly_failing=True))
    out, _ = capfd.readouterr()
    (line,) = out.splitlines()
    assert len(line.encode()) < 16_384
    message = json.loads(line)["message"]
    assert message.startswith("sensor failed: begin ")
    assert message.endswith(" end")


def test_library_attributes_are_left_out(logging_instance, capfd):
    @dg.asset
    def chatty() -> None:
        dg.get_dagster_logger().info("asked", extra={"password": "hunter2"})

    dg.materialize([chatty], instance=logging_instance)
    lines = read_lines(capfd)
    assert "asked" in [line["message"] for line in lines]
    assert "hunter2" not in str(lines)


def test_print_goes_to_compute_logs(logging_instance, capfd):
    @dg.asset
    def printing(context: dg.AssetExecutionContext) -> None:
        print("by hand")  # noqa: T201 - as libraries do
        context.log.info("by the log")

    done = dg.materialize([printing], instance=logging_instance)
    (captured,) = [
        event for event in done.all_events if event.event_type is dg.DagsterEventType.LOGS_CAPTURED
    ]
    key = logging_instance.compute_log_manager.build_log_key_for_run(
        done.run_id, captured.logs_captured_data.file_key
    )
    compute_logs = logging_instance.compute_log_manager.get_log_data(key)
    assert compute_logs.stdout.decode() == "by hand\n"
    assert compute_logs.stderr.decode() == ""
    assert '"by the log"' in capfd.readouterr().out


def test_other_handlers_get_records_unchanged(logging_instance, monkeypatch):
    levels = []

    class Recorder(logging.Handler):
        def emit(self, record):
            levels.append(record.levelno)

    handlers = [*logging_instance.get_handlers(), Recorder()]
    monkeypatch.setattr(logging_instance, "get_handlers", lambda: handlers)
    dg.materialize([broken], instance=logging_instance, raise_on_error=False)
    assert set(levels) == {logging.DEBUG, logging.ERROR}


def test_console_is_kept_without_json_handler(tmp_path, capfd):
    with instance_in(tmp_path) as instance:
        dg.materialize([broken], instance=instance, raise_on_error=False)
    assert "- dagster - ERROR -" in capfd.readouterr().err


def test_command_writes_a_message_once(logging_instance, monkeypatch, capfd):
    @dg.op
    def fetch(context: dg.OpExecutionContext) -> None:
        context.log.info("fetched everything")

    @dg.job(executor_def=dg.in_process_executor)
    def fetches() -> None:
        fetch()

    monkeypatch.setattr(run_job, "definitions", lambda: dg.Definitions(jobs=[fetches]))
    console = io.StringIO()
    run_job.run("fetches", {}, logging_instance, Console(file=console))
    assert [line.split()[0] for line in console.getvalue().splitlines()] == ["fetches", "done"]
    assert capfd.readouterr().out.count("fetched everything") == 1
