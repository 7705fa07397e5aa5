"""Alerts have runbooks; alerts and dashboards query existing metrics, in valid PromQL."""

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
RUN_ENDS = local("logging.tf")["_run_ends"]
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.json"))

# Metrics of Google's services, by the names in its documentation.
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
    """PromQL as Terraform renders it, with the number 1 instead of each variable."""
    text = re.sub(r"^<<-EOT|EOT$", "", alert["query"].replace('\\"', '"').strip())
    return re.sub(r"\$\{(var|local)[^}]*\}", "1", text.replace("${local._metric}", OURS))


def events_of(metric):
    return RUN_ENDS if metric["events"] == "${local._run_ends}" else metric["events"]


def selectors(node):
    """Every metric of a query, with its matchers."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "vs", "param"):
        if (below := getattr(node, part, None)) is not None:
            yield from selectors(below)
    args = getattr(node, "args", None)
    for below in getattr(args, "args", args) or []:
        yield from selectors(below)


QUERIES = {name: query_of(alert) for name, alert in ALERTS.items()} | {
    f"{file.stem} {number}": query
    for file in DASHBOARDS
    for number, query in enumerate(values(json.loads(file.read_text()), "prometheusQuery"))
}
# PromQL's names of our metrics, with their labels; Google's own have labels that we do not check.
SERIES = dict.fromkeys(BUILT_IN) | {
    f"{OURS}{name}{ending}": set(metric["labels"])
    for name, metric in METRICS.items()
    for ending in (("_sum", "_count", "_bucket") if "value" in metric else ("",))
}


def test_terraform_alerts_on_what_the_platform_cannot_report():
    monitored = {"heartbeat-missing", "alert-undelivered", "database-disk", "snapshot-missing"}
    assert set(ALERTS) == monitored | {"budget"}
    assert set(ALERTS).isdisjoint(PLATFORM_ALERTS)


def test_all_but_the_rarest_event_have_metrics():
    counted = {event for metric in METRICS.values() for event in events_of(metric)}
    # A failed backfill is counted as an alert.
    assert counted == set(EventName) - {EventName.BACKFILL_FAILED}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_runbook_and_description(alert):
    assert (RUNBOOKS / f"{alert}.md").is_file()
    assert ALERTS[alert]["what"].endswith(".")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_selects_existing_metric_and_resource(query):
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for selector in found:
        matchers = {matcher.name for matcher in selector.matchers.matchers}
        assert "monitored_resource" in matchers
        if (labels := SERIES[selector.name]) is not None:
            assert matchers - {"monitored_resource"} <= labels


def test_every_metric_is_used():
    parsed = [promql_parser.parse(query) for query in QUERIES.values()]
    used = {selector.name for query in parsed for selector in selectors(query)}
    ours = {re.sub("_(sum|count|bucket)$", "", name.removeprefix(OURS)) for name in used - BUILT_IN}
    assert ours == set(METRICS)
    assert used >= BUILT_IN


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboard_is_valid_and_tiles_do_not_overlap(file):
    dashboard = Dashboard.from_json(file.read_text())
    assert dashboard.display_name.startswith("Stock platform: ")
    cells = [
        (column, row)
        for tile in dashboard.mosaic_layout.tiles
        for column in range(tile.x_pos, tile.x_pos + tile.width)
        for row in range(tile.y_pos, tile.y_pos + tile.height)
    ]
    assert max(column for column, _ in cells) < dashboard.mosaic_layout.columns
    assert len(cells) == len(set(cells))


def test_dashboards_are_the_documented_ones():
    names = {file.stem for file in DASHBOARDS}
    assert names == {"pipeline-performance", "data-quality", "resources-and-cost"}


def test_metric_labels_are_bounded():
    unbounded = {"run_id", "partition", "error", "batch", "message"}
    assert not [name for name, metric in METRICS.items() if unbounded & set(metric["labels"])]
