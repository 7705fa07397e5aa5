"""Queries of Cloud Monitoring's alerts in Prometheus' rule tester: when they alert, and when not.

Cloud Monitoring uses the same language. Its metrics are not tested here.
"""

import subprocess
from typing import NamedTuple

import pytest
import yaml

from stock_platform_tests.support.apt import need
from stock_platform_tests.unit.terraform.test_alerts import ALERTS, OURS, query_of

pytestmark = pytest.mark.integration

# Terraform's variable is 1 here: the limit in dollars per day.
RULES = {
    "groups": [
        {
            "name": "alerts",
            "rules": [
                {"alert": name, "expr": query_of(alert), "for": alert["lasts"]}
                for name, alert in ALERTS.items()
            ],
        }
    ]
}
MACHINE = '{monitored_resource="gce_instance"}'
DISK = 'cloudsql_googleapis_com:database_disk_utilization{monitored_resource="cloudsql_database"}'


def heartbeats(values, kind="gce_instance"):
    return {f'{OURS}heartbeats{{monitored_resource="{kind}"}}': values}


def undelivered(values):
    return {f"{OURS}alerts_undelivered{MACHINE}": values}


def failed_ticks(instigator, values):
    name = f'{OURS}failing_minutes{{monitored_resource="gce_instance",instigator="{instigator}"}}'
    return {name: values}


def snapshots(values, state="SUCCEEDED", schedule="1"):
    name = "bigquerydatatransfer_googleapis_com:transfer_config_completed_runs"
    labels = f'config_id="{schedule}",completion_state="{state}"'
    return {f'{name}{{monitored_resource="bigquery_dts_config",{labels}}}': values}


def spent(values):
    return {f"{OURS}run_usd_sum{MACHINE}": values}


class Case(NamedTuple):
    """Time series in promtool's syntax, and the expected outcome after some minutes."""

    alert: str
    series: dict[str, str]
    minutes: int
    outcome: str


ALERT, QUIET = "alert", "no alert"
DAILY, ONCE = "0x599 1x1439 2x1440", "0x599 1x2880"
CASES = {
    "regular heartbeats": Case("heartbeat-missing", heartbeats("0+1x60"), 50, QUIET),
    "silent for 10 minutes": Case("heartbeat-missing", heartbeats("0+1x30 30x30"), 40, QUIET),
    "silent for 20 minutes": Case("heartbeat-missing", heartbeats("0+1x30 30x30"), 50, ALERT),
    "never a heartbeat": Case("heartbeat-missing", {}, 1, ALERT),
    "heartbeats of another resource": Case(
        "heartbeat-missing", heartbeats("0+1x60", "global"), 50, ALERT
    ),
    "two failed deliveries": Case("alert-undelivered", undelivered("0+1x2 2x60"), 10, QUIET),
    "no delivery": Case("alert-undelivered", undelivered("0+1x60"), 20, ALERT),
    "no attempt": Case("alert-undelivered", failed_ticks("alert_sensor", "0+1x60"), 20, ALERT),
    "another sensor": Case("alert-undelivered", failed_ticks("erp_sensor", "0+1x60"), 20, QUIET),
    "a full disk": Case("database-disk", {DISK: "0.9x30"}, 20, ALERT),
    "full for a moment": Case("database-disk", {DISK: "0.8x9 0.9x9 0.8x9"}, 20, QUIET),
    "a snapshot a day": Case("snapshot-missing", snapshots(DAILY), 2100, QUIET),
    "one, 25 hours ago": Case("snapshot-missing", snapshots(ONCE), 2100, QUIET),
    "one, 30 hours ago": Case("snapshot-missing", snapshots(ONCE), 2400, ALERT),
    "snapshots that fail": Case("snapshot-missing", snapshots(DAILY, "FAILED"), 2100, ALERT),
    "another's schedule": Case("snapshot-missing", snapshots(DAILY, schedule="2"), 2100, ALERT),
    "cheap runs": Case("budget", spent("0+0.0005x1440"), 1440, QUIET),
    "expensive runs": Case("budget", spent("0+0.001x1440"), 1440, ALERT),
    "expensive the day before": Case("budget", spent("0+0.01x600 6x2000"), 2300, QUIET),
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    file = tmp_path_factory.mktemp("rules") / "alerts.yml"
    file.write_text(yaml.safe_dump(RULES))
    return file


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_alert_is_sent_when_expected(rules, tmp_path, case):
    expected = {
        "eval_time": f"{case.minutes}m",
        "alertname": case.alert,
        "exp_alerts": [{}] if case.outcome == ALERT else [],
    }
    test = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in case.series.items()
        ],
        "alert_rule_test": [expected],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": [test]}))
    command = [need("promtool", "prometheus"), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_has_cases_for_both_outcomes():
    tested = {(case.alert, case.outcome) for case in CASES.values()}
    assert tested == {(name, outcome) for name in ALERTS for outcome in (ALERT, QUIET)}
