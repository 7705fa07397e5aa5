"""What a run writes to standard output is one JSON object a line, and nothing twice."""

import json
import logging
import warnings

import dagster as dg
import pytest

from stock_platform.observability.logging import JsonFormatter
from stock_platform.observability.vocabulary import Word
from stock_platform.observability.words import teller
from stock_platform_tests.observability.conftest import instance_in

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
        fetch,
        name="prices",
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
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
                description="3 of 5 bars offend",
                partition=day,
            )
        )
    return dg.AssetCheckResult(passed=False, description="1 of 2 sessions of this run fail")


@dg.asset
def broken() -> None:
    try:
        {}["Close"]
    except KeyError as error:
        raise ValueError("no price\nin the answer") from error


def lines(capfd):
    out, err = capfd.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.split("\n") if line]


def words(told, word):
    return [it for it in told if it.get("event") == word]


@pytest.fixture
def told(logging_instance, capfd):
    selection = [prices, positive]
    dg.materialize(selection, instance=logging_instance, tags=RANGE, raise_on_error=False)
    return lines(capfd)


def test_each_session_of_a_range_is_told_with_its_rows_and_the_cost_once(told):
    materialized = words(told, "materialized")
    # Dagster tells a range's sessions in no order.
    assert {it["partition"]: it["rows"] for it in materialized} == {
        "2012-12-03": 1,
        "2012-12-04": 2,
    }
    assert len(materialized) == 2
    assert [it.get("usd") for it in materialized] == [0.125, None]
    assert [it.get("duration_s") for it in materialized] == [2.5, None]
    assert {it["severity"] for it in materialized} == {"INFO"}
    assert {it["asset"] for it in materialized} == {"prices"}


def test_a_failed_check_is_told_for_its_session_and_not_again_for_the_range(told):
    (failed,) = words(told, "check_failed")
    assert (failed["severity"], failed["check_severity"]) == ("ERROR", "ERROR")
    assert (failed["asset"], failed["check"]) == ("prices", "positive")
    assert (failed["partition"], failed["offending"]) == ("2012-12-03", 3)
    assert failed["message"] == "3 of 5 bars offend"


def test_a_message_of_an_asset_is_told_once_with_its_run_and_step(told):
    (message,) = [it for it in told if it["message"] == "fetched 5 symbols"]
    assert message["severity"] == "INFO"
    assert message["step"] == "prices"
    assert len(message["run_id"]) == 36
    assert message["timestamp"].endswith("+00:00")


def test_dagsters_own_chatter_and_debug_messages_are_left_out(told):
    assert "unseen" not in str(told)
    assert {it.get("event") for it in told if it["severity"] == "DEBUG"} == set()
    assert not any(it["message"].startswith("Started execution of step") for it in told)


def test_an_exception_is_one_line_with_its_root_and_its_stack(logging_instance, capfd):
    dg.materialize([broken], instance=logging_instance, raise_on_error=False)
    (failed,) = [it for it in lines(capfd) if it.get("step") == "broken" and "error" in it]
    assert failed["severity"] == "ERROR"
    assert failed["error"] == "KeyError: 'Close'"
    assert "ValueError: no price\nin the answer" in failed["stack_trace"]
    assert "in broken" in failed["stack_trace"]


@pytest.mark.parametrize("code", [0xD800, 0x00, 0x2028], ids=["half a pair", "nul", "separator"])
def test_no_letter_costs_a_line(code):
    # Past Python's logging: what pytest keeps of it must be UTF-8.
    record = logging.makeLogRecord({"msg": f"before {chr(code)} after", "levelname": "INFO"})
    told = json.loads(JsonFormatter().format(record))["message"]
    assert told.startswith("before ")
    assert told.endswith(" after")


@pytest.mark.parametrize("value", [2**70, {("a", 1): 2}, {1, 2}, object()])
def test_no_value_costs_a_line(logging_instance, capfd, value):
    tell = teller(logging_instance)
    tell(logging.INFO, Word.HEARTBEAT, "what libraries attach", sessions_late=value)
    (line,) = lines(capfd)
    assert line["message"] == "what libraries attach"


@pytest.mark.parametrize("text", ["x", "\n", "é", "\x00"])
def test_a_line_is_no_longer_than_dockers_and_tells_how_it_begins_and_ends(
    logging_instance, capfd, text
):
    tell = teller(logging_instance)
    tell(logging.ERROR, Word.RUN_FAILED, f"begin {text * 100_000} end", error=text * 100_000)
    out, _ = capfd.readouterr()
    (line,) = out.splitlines()
    assert len(line.encode()) < 16_384
    message = json.loads(line)["message"]
    assert message.startswith("begin ")
    assert message.endswith(" end")


def test_what_libraries_attach_to_a_record_is_never_told(logging_instance, capfd):
    @dg.asset
    def chatty() -> None:
        dg.get_dagster_logger().info("asked", extra={"password": "hunter2"})

    dg.materialize([chatty], instance=logging_instance)
    told = lines(capfd)
    assert [it["message"] for it in told if it["message"] == "asked"]
    assert "hunter2" not in str(told)


def test_a_print_is_in_the_runs_own_file_and_no_json_line_is(logging_instance, capfd):
    @dg.asset
    def printing(context: dg.AssetExecutionContext) -> None:
        print("by hand")  # noqa: T201 - what libraries do
        context.log.info("by the log")

    done = dg.materialize([printing], instance=logging_instance)
    (event,) = [it for it in done.all_events if it.event_type is dg.DagsterEventType.LOGS_CAPTURED]
    key = logging_instance.compute_log_manager.build_log_key_for_run(
        done.run_id, event.logs_captured_data.file_key
    )
    captured = logging_instance.compute_log_manager.get_log_data(key).stdout.decode()
    assert captured == "by hand\n"
    assert '"by the log"' in capfd.readouterr().out


def test_without_the_setting_a_terminal_shows_dagsters_own_lines(tmp_path, capfd):
    with instance_in(tmp_path) as instance:
        dg.materialize([broken], instance=instance, raise_on_error=False)
    assert "- dagster - ERROR -" in capfd.readouterr().err
