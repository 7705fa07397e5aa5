"""The sensors that watch: real runs that fail, a real receiver, the next tick and the one after."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from stock_platform.automation import monitoring
from stock_platform.automation.monitoring import monitoring_sensors
from stock_platform.observability import news
from stock_platform.observability.delivery import AlertsResource
from stock_platform.resources import LakeResource
from stock_platform_tests.observability.conftest import instance_in
from stock_platform_tests.observability.ticking import fail_a_tick
from stock_platform_tests.platform import Platform
from stock_platform_tests.webhook import SECRET, webhook

FRIDAY = datetime(2012, 7, 6, 22, 0, tzinfo=UTC)
SATURDAY = datetime(2012, 7, 7, 22, 0, tzinfo=UTC)


@dg.op
def fails() -> None:
    raise ValueError("no such price")


@dg.job
def failing() -> None:
    fails()


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with instance_in(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture
def hook():
    with webhook() as it:
        yield it


class Watch:
    """A sensor, ticked by hand as the daemon does: a failed tick leaves the cursor."""

    def __init__(self, instance, platform, name, address=""):
        self.instance, self.platform, self.name, self.address = instance, platform, name, address
        self.now = FRIDAY
        self.cursor = None

    def tick(self):
        sensors = {it.name: it for it in monitoring_sensors(self.platform.settings, self.clock)}
        resources = {
            "lake": LakeResource(root=self.platform.settings.lake),
            "alert_service": AlertsResource(url=self.address),
        }
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources=resources
        ) as context:
            said = sensors[self.name](context)
            self.cursor = context.cursor
        return said.skip_message

    def clock(self):
        return self.now


@pytest.fixture
def alert(instance, platform, hook):
    publish(platform, "2012-07-03", "2012-07-05")
    watch = Watch(instance, platform, "alert_sensor", hook.address)
    assert watch.tick() == "nothing went wrong"
    return watch


@pytest.fixture
def heartbeat(instance, platform):
    publish(platform, "2012-07-03", "2012-07-05")
    watch = Watch(instance, platform, "heartbeat_sensor")
    watch.tick()
    return watch


@pytest.fixture
def lose_the_lake(monkeypatch):
    def unreadable(*_):
        raise PermissionError("storage.objects.list is denied")

    return lambda: monkeypatch.setattr(monitoring, "newest_prices", unreadable)


def publish(platform, *sessions):
    """Make folders of sessions: how new prices are is told by their names."""
    for session in sessions:
        Path(f"{platform.paths.raw_prices_folder()}/date={session}").mkdir(
            parents=True, exist_ok=True
        )


def run_and_fail(instance):
    return failing.execute_in_process(instance=instance, raise_on_error=False).run_id


def test_a_failed_run_is_delivered_once(alert, hook, instance):
    run_id = run_and_fail(instance)
    for _ in range(3):
        alert.tick()
    (told,) = hook.received
    assert told["title"].startswith("local: run-failed (1): failing: ValueError: no such price")
    assert f"http://127.0.0.1:3000/runs/{run_id}" in told["message"]
    assert "docs/runbooks/run-failed.md" in told["message"]


def test_what_is_not_taken_is_delivered_with_the_next_tick_and_with_what_came_since(
    alert, hook, instance, caplog
):
    hook.statuses = [500]
    run_and_fail(instance)
    assert alert.tick() == "not delivered, attempt 1"
    assert hook.received == []
    (line,) = [it for it in caplog.records if it.levelno == logging.ERROR and "attempt 1" in it.msg]
    assert line.fields["event"] == "alert_undelivered"
    run_and_fail(instance)
    alert.tick()
    alert.tick()
    (title,) = hook.titles
    assert "run-failed (2)" in title


def test_a_sensor_that_began_to_fail_long_before_the_receiver_is_back_is_delivered(
    alert, hook, instance
):
    hook.statuses = [500]
    fail_a_tick(instance, "erp_csv_sensor")
    alert.tick()
    for count in range(2, 106):
        fail_a_tick(instance, "erp_csv_sensor", in_a_row=count)
    alert.tick()
    assert hook.titles == ["local: tick-failed (1): erp_csv_sensor: OSError: no route"]


def test_no_failed_run_is_lost_behind_a_look_that_did_not_get_through(
    alert, hook, instance, monkeypatch
):
    monkeypatch.setattr(news, "_MOST_RUNS", 2)
    monkeypatch.setattr(news, "_OVERLAP", timedelta(0))
    runs = [run_and_fail(instance) for _ in range(4)]
    instance.add_run_tags(runs[0], {"seen": "by a person"})
    for _ in range(4):
        alert.tick()
    told = " ".join(it["message"] for it in hook.received)
    assert all(it in told for it in runs)


def test_a_receiver_that_is_gone_is_given_up_after_an_hour_and_no_line_says_it_was_called(
    alert, instance, caplog, monkeypatch
):
    monkeypatch.setattr(monitoring, "_ATTEMPTS", 2)
    alert.address = f"json://127.0.0.1:1/{SECRET}"
    run_and_fail(instance)
    assert alert.tick() == "not delivered, attempt 1"
    assert "run-failed" in alert.tick()
    assert alert.tick() == "nothing went wrong"
    assert [it.fields["event"] for it in caplog.records if hasattr(it, "fields")] == [
        "alert_undelivered",
        "alert_undelivered",
    ]


def test_the_address_is_in_no_log_line_of_a_failed_delivery(alert, instance, caplog, capfd):
    for address in (f"json://127.0.0.1:1/{SECRET}", f"nothing://{SECRET}", f"slack://{SECRET}"):
        alert.address = address
        run_and_fail(instance)
        assert "not delivered" in alert.tick()
    # pytest listens to loggers that pass nothing on as well.
    assert SECRET not in str([it.getMessage() for it in caplog.records if it.name != "apprise"])
    assert not logging.getLogger("apprise").propagate
    assert SECRET not in str(capfd.readouterr())


def test_without_an_address_an_alert_is_logged(alert, hook, instance, caplog):
    alert.address = ""
    run_and_fail(instance)
    assert "run-failed" in alert.tick()
    assert hook.asked == 0
    (line,) = [it for it in caplog.records if hasattr(it, "fields")]
    assert (line.fields["event"], line.fields["alert"]) == ("alert", "run-failed")


def test_prices_are_late_when_the_check_says_so_and_each_session_is_told_once(alert, hook):
    alert.now = SATURDAY
    for _ in range(2):
        alert.tick()
    assert hook.titles == ["local: stale-prices (1): 2012-07-06"]
    publish(alert.platform, "2012-07-06")
    alert.tick()
    alert.now = datetime(2012, 7, 11, 0, 0, tzinfo=UTC)
    alert.tick()
    assert hook.titles[1:] == ["local: stale-prices (1): 2012-07-09"]


def test_a_sensor_that_fails_is_told_by_the_other(alert, hook, instance, heartbeat, caplog):
    fail_a_tick(instance, "erp_csv_sensor")
    alert.tick()
    heartbeat.tick()
    assert hook.titles == ["local: tick-failed (1): erp_csv_sensor: OSError: no route"]
    assert [it.fields["instigator"] for it in words(caplog, "tick_failed")] == ["erp_csv_sensor"]


def test_a_lake_that_cannot_be_read_is_told_once_and_keeps_no_alert_back(
    alert, hook, instance, lose_the_lake
):
    lose_the_lake()
    run_and_fail(instance)
    alert.tick()
    alert.tick()
    (told,) = hook.received
    assert "run-failed" in told["title"]
    assert "tick-failed (1): lake: it cannot be read: storage.objects.list" in told["message"]


def test_a_heart_beats_though_the_lake_cannot_be_read(heartbeat, caplog, lose_the_lake):
    lose_the_lake()
    heartbeat.tick()
    assert words(caplog, "heartbeat")
    assert "denied" in words(caplog, "tick_failed")[-1].fields["error"]


def test_a_heartbeat_says_how_late_prices_are_by_the_calendar(heartbeat, caplog):
    heartbeat.now = datetime(2012, 7, 9, 16, 0, tzinfo=UTC)
    heartbeat.tick()
    told = words(caplog, "heartbeat")[-1].fields
    # Friday's day ended at 04:00 UTC on Saturday, and twelve hours later its prices were due.
    assert (told["sessions_late"], told["hours_late"]) == (1, 48.0)
    assert told["newest_session"] == "2012-07-05"


def test_a_heartbeat_beats_with_an_empty_lake(heartbeat, caplog, tmp_path):
    with Platform(tmp_path / "empty") as platform:
        heartbeat.platform = platform
        heartbeat.tick()
    assert words(caplog, "heartbeat")[-1].fields["newest_session"] is None


def test_each_run_is_told_once_with_its_end(heartbeat, instance, caplog):
    run_id = run_and_fail(instance)
    heartbeat.tick()
    heartbeat.tick()
    (line,) = words(caplog, "run_failed")
    assert line.levelno == logging.ERROR
    assert (line.fields["run_id"], line.fields["job"]) == (run_id, "failing")
    assert line.fields["error"] == "ValueError: no such price"
    assert line.fields["duration_s"] > 0


def test_a_batch_that_fails_is_told_and_delivered_with_its_name(
    heartbeat, alert, hook, instance, caplog
):
    platform = heartbeat.platform
    platform.instance.dispose()
    platform.instance = instance
    platform.load_sample_dimensions()
    platform.materialize("raw_stock_prices", first="2012-07-06", checks=False)
    Path(platform.paths.raw_prices("2012-07-06")).write_bytes(b"no gzip")
    alert.tick()
    platform.materialize("processed_stock_prices", first="2012-07-06", checks=False)
    heartbeat.tick()
    alert.tick()
    (line,) = words(caplog, "batch_failed")
    assert line.fields["batch"].startswith("stock-prices-20120706-20120706-")
    assert line.fields["partition"] == "2012-07-06"
    assert "batch-failed (1)" in hook.received[-1]["message"]
    assert line.fields["batch"] in hook.received[-1]["message"]


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")  # Dagster's
def test_the_address_stands_in_no_snapshot(monkeypatch, tmp_path):
    address = f"json://127.0.0.1/{SECRET}"
    monkeypatch.setenv("STOCK_PLATFORM_ALERT_URL", address)
    with Platform(tmp_path, alert_url=address) as platform:
        snapshot = RepositorySnap.from_def(platform.defs.get_repository_def())
        assert SECRET not in repr(platform.settings)
    assert "alert_service" in serialize_value(snapshot)
    assert SECRET not in serialize_value(snapshot)


def words(caplog, word):
    return [it for it in caplog.records if getattr(it, "fields", {}).get("event") == word]
