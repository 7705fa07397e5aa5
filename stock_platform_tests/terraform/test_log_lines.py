"""What metrics and alerts look for stands in the platform's log lines, under the very names."""

import json
import re

import pytest

from stock_platform.observability.vocabulary import Word
from stock_platform_tests.terraform.code import ROOT, local, resources, values
from stock_platform_tests.terraform.lines import told

ALERTS = local("monitoring.tf")["log_alerts"]
METRICS = local("logging.tf")["log_metrics"]
RUN_ENDS = local("logging.tf")["_run_ends"]
COMPARISON = re.compile(r'(NOT )?jsonPayload\.(\w+)=("\w+"|true|false)( |$)')


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return told(tmp_path_factory.mktemp("home"))


def of(lines, word):
    return [it for it in lines if it.payload["event"] == word]


def waits_for(asked):
    """The words of a metric, or of an alert's filter."""
    if "filter" in asked:
        return re.findall(r'jsonPayload\.event="(\w+)"', asked["filter"])
    return RUN_ENDS if isinstance(asked["events"], str) else asked["events"]


def matches(text, payload):
    """Cloud Logging's judgement, of a filter that is a row of comparisons."""
    assert COMPARISON.sub("", text) == ""
    return all(
        (payload.get(name) == json.loads(value)) != bool(negated)
        for negated, name, value, _ in COMPARISON.findall(text)
    )


def test_every_word_has_a_line(lines):
    assert {it.payload["event"] for it in lines} == set(Word)


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_calls_for_what_the_platform_calls_an_error_and_for_nothing_else(lines, alert):
    (word,) = waits_for(alert)
    called = [it for it in of(lines, word) if matches(alert["filter"], it.payload)]
    assert called
    assert called == [it for it in of(lines, word) if it.severity == "ERROR"]


@pytest.mark.parametrize("name", [*ALERTS, *METRICS])
def test_labels_and_values_are_fields_of_every_word_that_is_waited_for(lines, name):
    asked = (ALERTS | METRICS)[name]
    for word in waits_for(asked):
        fields = {field: value for it in of(lines, word) for field, value in it.payload.items()}
        assert set(asked["labels"]) <= set(fields)
        if "value" in asked:
            assert isinstance(fields[asked["value"]], int | float)


@pytest.mark.parametrize("kind", ["google_logging_metric", "google_monitoring_alert_policy"])
def test_every_filter_names_the_machine(kind):
    bodies = [it.body for it in resources(ROOT) if it.type == kind]
    filters = [it.replace('\\"', '"') for it in values(bodies, "filter")]
    assert filters
    assert all('resource.type="gce_instance"' in it for it in filters)
