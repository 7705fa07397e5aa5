"""The monitoring sensors, tick by tick, with failing runs and a real receiver of alerts."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from stock_platform.lake import raw_runs
from stock_platform.orchestration.monitoring import finished_runs, price_status, sensors
from stock_platform.orchestration.monitoring.notifications import AlertsResource
from stock_platform.orchestration.monitoring.sensors import monitoring_sensors
from stock_platform.orchestration.resources import LakeResource
from stock_platform_tests.support.platform_fixture import Platform
from stock_platform_tests.support.raw_runs import store_run
from stock_platform_tests.support.tick_factory import add_tick, fail_tick, succeed
from stock_platform_tests.support.webhook import SECRET

FRIDAY = datetime(2012, 7, 6, 22, 0, tzinfo=UTC)
SATURDAY = datetime(2012, 7, 7, 22, 0, tzinfo=UTC)
SENSOR_ALERT = "local: tick-failed (1): erp_csv_sensor: OSError: no route"
VERSION_0_1_0 = '{"since": "2012-07-06T22:00:00Z", "seen": ["abc"], "all_until": null}'


@dg.op
def fails() -> None:
    raise ValueError("no such price")


@dg.job
def failing() -> None:
    fails()


class Sensor:
    """A sensor, ticked like the daemon does: a failed tick keeps the cursor."""

    def __init__(self, instance, platform, name, address=""):
        self.instance, self.platform, self.name, self.address = instance, platform, name, address
        self.now = FRIDAY
        self.cursor = None

    def tick(self):
        found = monitoring_sensors(self.platform.settings, lambda: self.now)
        (sensor,) = [sensor for sensor in found if sensor.name == self.name]
        resources = {
            "lake": LakeResource(root=self.platform.settings.lake),
            "alert_service": AlertsResource(url=self.address),
        }
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources=resources
        ) as context:
            skipped = sensor(context)
            self.cursor = context.cursor
        return skipped.skip_message


@pytest.fixture
def alert_sensor(instance, platform, webhook):
    publish(platform, "2012-07-03", "2012-07-05")
    if instance.all_instigator_state():
        succeed(instance, add_tick(instance, "erp_csv_sensor"))
    sensor = Sensor(instance, platform, "alert_sensor", webhook.address)
    assert sensor.tick() == "No alerts"
    return sensor


@pytest.fixture
def heartbeat_sensor(instance, platform):
    publish(platform, "2012-07-03", "2012-07-05")
    sensor = Sensor(instance, platform, "heartbeat_sensor")
    assert sensor.tick() == "prices up to 2012-07-05; 0 sessions are late"
    return sensor


@pytest.fixture
def lose_the_lake(monkeypatch):
    def unreadable(*_):
        raise PermissionError("storage.objects.list is denied")

    return lambda: monkeypatch.setattr(price_status, "price_freshness", unreadable)


def publish(platform, *sessions):
    """Create raw runs of sessions, which define the freshness."""
    for session in sessions:
        store_run(platform.paths, sessions=[session])


def run_and_fail(instance):
    return failing.execute_in_process(instance=instance, raise_on_error=False).run_id


def events(caplog, *names):
    lines = [line for line in caplog.records if hasattr(line, "fields")]
    return [line for line in lines if not names or line.fields["event"] in names]


def test_failed_run_is_delivered_once(alert_sensor, webhook, instance):
    run_id = run_and_fail(instance)
    for _ in range(3):
        alert_sensor.tick()
    (message,) = webhook.received
    assert message["title"].startswith("local: run-failed (1): failing: ValueError: no such price")
    assert f"http://127.0.0.1:3000/runs/{run_id}" in message["message"]
    assert "docs/runbooks/run-failed.md" in message["message"]


def test_undelivered_alert_is_sent_later(alert_sensor, webhook, instance, caplog):
    webhook.statuses = [500]
    run_and_fail(instance)
    assert alert_sensor.tick() == "Alerts were not delivered (attempt 1)"
    assert webhook.received == []
    (line,) = events(caplog, "alert_undelivered")
    assert (line.levelno, line.fields["attempt"]) == (logging.ERROR, 1)
    run_and_fail(instance)
    alert_sensor.tick()
    alert_sensor.tick()
    (title,) = webhook.titles
    assert "run-failed (2)" in title


def test_sensor_alert_survives_outage(alert_sensor, webhook, instance):
    webhook.statuses = [500]
    fail_tick(instance, "erp_csv_sensor")
    alert_sensor.tick()
    fail_tick(instance, "erp_csv_sensor", in_a_row=2)
    alert_sensor.tick()
    alert_sensor.tick()
    assert webhook.titles == [SENSOR_ALERT]


def test_paging_loses_no_runs(alert_sensor, webhook, instance, monkeypatch):
    monkeypatch.setattr(finished_runs, "_MAX_EVENTS", 2)
    runs = [run_and_fail(instance) for _ in range(4)]
    for _ in range(2):
        alert_sensor.tick()
    messages = " ".join(message["message"] for message in webhook.received)
    assert all(messages.count(f"runs/{run_id}") == 1 for run_id in runs)


def test_delivery_stops_after_last_attempt(alert_sensor, instance, caplog, monkeypatch):
    monkeypatch.setattr(sensors, "_MAX_ATTEMPTS", 2)
    alert_sensor.address = f"json://127.0.0.1:1/{SECRET}"
    run_and_fail(instance)
    assert alert_sensor.tick() == "Alerts were not delivered (attempt 1)"
    assert "run-failed" in alert_sensor.tick()
    assert alert_sensor.tick() == "No alerts"
    names = [line.fields["event"] for line in events(caplog)]
    assert names == ["alert_undelivered", "alert_undelivered"]


def test_failed_delivery_hides_address(alert_sensor, instance, caplog, capfd):
    for address in (f"json://127.0.0.1:1/{SECRET}", f"nothing://{SECRET}", f"slack://{SECRET}"):
        alert_sensor.address = address
        run_and_fail(instance)
        assert "not delivered" in alert_sensor.tick()
    # pytest also captures loggers that do not propagate.
    messages = [line.getMessage() for line in caplog.records if line.name != "apprise"]
    assert SECRET not in str(messages)
    assert not logging.getLogger("apprise").propagate
    assert SECRET not in str(capfd.readouterr())


def test_alert_without_address_is_logged(alert_sensor, webhook, instance, caplog):
    alert_sensor.address = ""
    run_and_fail(instance)
    assert "run-failed" in alert_sensor.tick()
    assert webhook.asked == 0
    (line,) = events(caplog)
    assert (line.fields["event"], line.fields["alert"]) == ("alert", "run-failed")


def test_late_session_is_reported_once(alert_sensor, webhook):
    alert_sensor.now = SATURDAY
    for _ in range(2):
        alert_sensor.tick()
    assert webhook.titles == ["local: stale-prices (1): 2012-07-06"]
    publish(alert_sensor.platform, "2012-07-06")
    alert_sensor.tick()
    alert_sensor.now = datetime(2012, 7, 11, 0, 0, tzinfo=UTC)
    alert_sensor.tick()
    assert webhook.titles[1:] == ["local: stale-prices (1): 2012-07-09"]


def test_failing_sensor_is_reported(alert_sensor, webhook, instance, heartbeat_sensor, caplog):
    fail_tick(instance, "erp_csv_sensor")
    for _ in range(2):
        alert_sensor.tick()
        heartbeat_sensor.tick()
    assert webhook.titles == [SENSOR_ALERT]
    (line,) = events(caplog, "tick_failed")
    assert line.fields["instigator"] == "erp_csv_sensor"


def test_unreadable_lake_is_reported_once(alert_sensor, webhook, instance, lose_the_lake):
    lose_the_lake()
    run_and_fail(instance)
    alert_sensor.tick()
    alert_sensor.tick()
    (message,) = webhook.received
    assert "run-failed" in message["title"]
    assert "tick-failed (1): lake: it cannot be read: storage.objects.list" in message["message"]


def test_heartbeat_survives_unreadable_lake(heartbeat_sensor, caplog, lose_the_lake):
    lose_the_lake()
    reason = "the lake cannot be read: storage.objects.list is denied"
    assert heartbeat_sensor.tick() == reason
    heartbeat = events(caplog, "heartbeat")[-1]
    assert heartbeat.msg == reason
    assert (heartbeat.fields["sessions_late"], heartbeat.fields["hours_late"]) == (None, None)
    denial = "it cannot be read: storage.objects.list is denied"
    assert events(caplog, "tick_failed")[-1].msg == f"lake failed: {denial}"


def test_heartbeat_counts_late_hours_by_calendar(heartbeat_sensor, caplog):
    heartbeat_sensor.now = datetime(2012, 7, 9, 16, 0, tzinfo=UTC)
    assert heartbeat_sensor.tick() == "prices up to 2012-07-05; 1 session is late"
    fields = events(caplog, "heartbeat")[-1].fields
    # Friday ended at 04:00 UTC on Saturday, and its prices were due twelve hours later.
    assert (fields["sessions_late"], fields["hours_late"]) == (1, 48.0)
    assert fields["newest_session"] == "2012-07-05"


def test_heartbeat_survives_empty_lake(heartbeat_sensor, caplog, tmp_path):
    with Platform(tmp_path / "empty") as platform:
        heartbeat_sensor.platform = platform
        assert heartbeat_sensor.tick() == "no prices yet; 0 sessions are late"
    assert events(caplog, "heartbeat")[-1].fields["newest_session"] is None


def test_finished_run_is_logged_once(heartbeat_sensor, instance, caplog):
    run_id = run_and_fail(instance)
    heartbeat_sensor.tick()
    heartbeat_sensor.tick()
    (line,) = events(caplog, "run_failed")
    assert line.levelno == logging.ERROR
    assert (line.fields["run_id"], line.fields["job"]) == (run_id, "failing")
    assert line.fields["error"] == "ValueError: no such price"
    assert line.fields["duration_s"] > 0


@pytest.mark.parametrize("name", ["alert_sensor", "heartbeat_sensor"])
def test_unknown_cursor_starts_from_now(instance, platform, caplog, name):
    run_and_fail(instance)
    sensor = Sensor(instance, platform, name)
    sensor.cursor = VERSION_0_1_0
    sensor.tick()
    assert events(caplog, "run_failed", "alert") == []
    run_and_fail(instance)
    sensor.tick()
    assert len(events(caplog, "run_failed", "alert")) == 1


def test_failed_batch_is_logged_and_delivered(
    heartbeat_sensor, alert_sensor, webhook, instance, caplog
):
    platform = heartbeat_sensor.platform
    platform.instance.dispose()
    platform.instance = instance
    platform.load_sample_dimensions()
    platform.materialize("raw_stock_prices", first="2012-07-06", checks=False)
    (run,) = raw_runs.runs_of(platform.paths, ["2012-07-06"])
    Path(run.uri, "records-00000.json.gz").write_bytes(b"no gzip")
    alert_sensor.tick()
    platform.materialize("processed_stock_prices", first="2012-07-06", checks=False)
    heartbeat_sensor.tick()
    alert_sensor.tick()
    (line,) = events(caplog, "batch_failed")
    assert line.fields["batch"].startswith("stock-prices-20120706-20120706-")
    assert line.fields["partition"] == "2012-07-06"
    assert "batch-failed (1)" in webhook.received[-1]["message"]
    assert line.fields["batch"] in webhook.received[-1]["message"]


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")  # Dagster's
def test_snapshot_does_not_contain_address(monkeypatch, tmp_path):
    address = f"json://127.0.0.1/{SECRET}"
    monkeypatch.setenv("STOCK_PLATFORM_ALERT_URL", address)
    with Platform(tmp_path, alert_url=address) as platform:
        snapshot = serialize_value(RepositorySnap.from_def(platform.defs.get_repository_def()))
        assert SECRET not in repr(platform.settings)
    assert "alert_service" in snapshot
    assert SECRET not in snapshot
