"""Metrics look for events and fields that the platform logs."""

import pytest

from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform_tests.support.log_lines import logged
from stock_platform_tests.support.terraform_code import ROOT, local, resources, values

METRICS = local("logging.tf")["log_metrics"]
RUN_ENDS = local("logging.tf")["_run_ends"]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return logged(tmp_path_factory.mktemp("home"))


def test_every_event_is_logged(lines):
    assert {line["event"] for line in lines} == set(EventName)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_labels_and_values_are_fields_of_the_events(lines, metric):
    for event in RUN_ENDS if isinstance(metric["events"], str) else metric["events"]:
        fields = {}
        for line in lines:
            fields |= line if line["event"] == event else {}
        assert set(metric["labels"]) <= set(fields)
        if "value" in metric:
            assert isinstance(fields[metric["value"]], int | float)


def test_filters_name_the_machine():
    metrics = [each.body for each in resources(ROOT) if each.type == "google_logging_metric"]
    filters = [text.replace('\\"', '"') for text in values(metrics, "filter")]
    assert filters
    assert all('resource.type="gce_instance"' in text for text in filters)
