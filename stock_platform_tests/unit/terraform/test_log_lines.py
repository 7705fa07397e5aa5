"""Log-based metrics use events and fields that the platform logs."""

import pytest

from stock_platform.orchestration.monitoring.event_names import EventName
from stock_platform_tests.support.log_lines import logged
from stock_platform_tests.unit.terraform.test_alerts import METRICS, events_of


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return logged(tmp_path_factory.mktemp("home"))


def test_every_event_is_logged(lines):
    assert {line["event"] for line in lines} == set(EventName)


@pytest.mark.parametrize("name", METRICS)
def test_labels_and_values_are_logged_fields(lines, name):
    metric = METRICS[name]
    for event in events_of(metric):
        fields = {}
        for line in lines:
            fields |= line if line["event"] == event else {}
        assert set(metric["labels"]) <= set(fields)
        if "value" in metric:
            assert isinstance(fields[metric["value"]], int | float)
