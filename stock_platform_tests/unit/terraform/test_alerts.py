"""Alerts have runbooks; dashboards and alerts ask for metrics that exist, in PromQL that parses."""

import json
import re

import promql_parser
import pytest
from google.cloud.monitoring_dashboard_v1.types import Dashboard

from stock_platform.orchestration.monitoring.alerts import ALERTS as PLATFORM_ALERTS
from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform_tests.support.terraform_code import ROOT, local, values

RUNBOOKS = ROOT.parent / "docs" / "runbooks"
ALERTS = local("monitoring.tf")["alerts"]
METRICS = local("logging.tf")["log_metrics"]
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.json"))

# What Google measures by itself; the names are its documentation's.
BUILT_IN = {
    "agent_googleapis_com:disk_percent_used",
    "agent_googleapis_com:memory_percent_used",
    "bigquery_googleapis_com:query_scanned_bytes_billed",
    "bigquery_googleapis_com:slots_allocated_for_project",
    "bigquery_googleapis_com:storage_stored_bytes",
    "bigquerydatatransfer_googleapis_com:transfer_config_completed_runs",
    "cloudsql_googleapis_com:database_cpu_utilization",
    "cloudsql_googleapis_com:database_disk_utilization",
    "cloudsql_googleapis_com:database_memory_utilization",
    "cloudsql_googleapis_com:database_postgresql_num_backends",
    "compute_googleapis_com:instance_cpu_utilization",
    "dataproc_googleapis_com:batch_spark_executors",
    "storage_googleapis_com:api_request_count",
    "storage_googleapis_com:storage_v2_total_bytes",
}
OURS = "logging_googleapis_com:user_stock_platform_"


def query_of(alert):
    """PromQL as Terraform would write it, with a number in place of a variable."""
    text = re.sub(r"^<<-EOT|EOT$", "", alert["query"].replace('\\"', '"').strip())
    return re.sub(r"\$\{(var|local)[^}]*\}", "1", text.replace("${local._metric}", OURS))


def selectors(node):
    """Every metric that a query names, with its matchers."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        if (below := getattr(node, part, None)) is not None:
            yield from selectors(below)
    args = getattr(node, "args", None)
    for below in getattr(args, "args", args) or []:
        yield from selectors(below)


QUERIES = {
    **{name: query_of(it) for name, it in ALERTS.items()},
    **{
        f"{file.stem} {number}": query
        for file in DASHBOARDS
        for number, query in enumerate(values(json.loads(file.read_text()), "prometheusQuery"))
    },
}


def series():
    """The names under which PromQL knows the platform's metrics, with their labels."""
    for name, metric in METRICS.items():
        endings = ("_sum", "_count", "_bucket") if "value" in metric else ("",)
        for ending in endings:
            yield f"{OURS}{name}{ending}", set(metric["labels"])


def test_terraform_alerts_for_what_the_platform_cannot_report():
    assert set(ALERTS) == {
        "heartbeat-missing",
        "alert-undelivered",
        "database-disk",
        "snapshot-missing",
        "budget",
    }
    assert set(ALERTS).isdisjoint(PLATFORM_ALERTS)


def test_every_event_but_one_has_a_metric():
    asked = set()
    for metric in METRICS.values():
        ends = metric["events"] == "${local._run_ends}"
        asked |= set(local("logging.tf")["_run_ends"] if ends else metric["events"])
    # Rare, and counted as an alert.
    assert asked == set(EventName) - {EventName.BACKFILL_FAILED}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_runbook_description_and_severity(alert):
    assert (RUNBOOKS / f"{alert}.md").is_file()
    assert ALERTS[alert]["what"].endswith(".")
    assert ALERTS[alert]["severity"] in {"CRITICAL", "ERROR", "WARNING"}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_asks_for_a_metric_that_exists_on_one_kind_of_resource(query):
    known = dict(series()) | dict.fromkeys(BUILT_IN)
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for selector in found:
        assert selector.name in known
        matchers = {it.name for it in selector.matchers.matchers}
        assert "monitored_resource" in matchers
        if (labels := known[selector.name]) is not None:
            assert matchers - {"monitored_resource"} <= labels


def test_every_metric_is_looked_at():
    asked = {it.name for query in QUERIES.values() for it in selectors(promql_parser.parse(query))}
    for name in METRICS:
        assert asked & {f"{OURS}{name}{ending}" for ending in ("", "_sum", "_count", "_bucket")}
    assert asked >= BUILT_IN


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda it: it.stem)
def test_a_dashboard_is_what_the_api_takes(file):
    dashboard = Dashboard.from_json(file.read_text())
    tiles = dashboard.mosaic_layout.tiles
    assert dashboard.display_name.startswith("Stock platform: ")
    assert all(it.x_pos + it.width <= dashboard.mosaic_layout.columns for it in tiles)
    places = {
        (x, y)
        for it in tiles
        for x in range(it.x_pos, it.x_pos + it.width)
        for y in range(it.y_pos, it.y_pos + it.height)
    }
    assert len(places) == sum(it.width * it.height for it in tiles), "tiles overlap"


def test_the_dashboards_are_these():
    names = {file.stem for file in DASHBOARDS}
    assert names == {"pipeline-performance", "data-quality", "resources-and-cost"}


def test_labels_of_metrics_are_bounded():
    unbounded = {"run_id", "partition", "error", "batch", "message"}
    assert not [name for name, it in METRICS.items() if unbounded & set(it["labels"])]
