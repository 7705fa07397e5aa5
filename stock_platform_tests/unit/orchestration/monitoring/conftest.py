"""Dagster instances in folders, set up like a laptop's or for JSON log lines, and their feeds."""

import logging

import dagster as dg
import pytest
import yaml

from stock_platform.orchestration.monitoring import finished_runs
from stock_platform.orchestration.monitoring.event_feed import EventCursor, read_events
from stock_platform.orchestration.monitoring.json_logs import process_stdout
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.webhook import webhook as local_webhook

_MODULE = "stock_platform.orchestration.monitoring.json_logs"
JSON_LINES = {
    "formatters": {"json": {"()": f"{_MODULE}.JsonFormatter"}},
    "handlers": {"stdout": {"class": f"{_MODULE}.StdoutHandler", "formatter": "json"}},
}


def instance_in(folder, **python_logs):
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    settings["python_logs"] |= python_logs
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return dg.DagsterInstance.from_config(str(folder))


@pytest.fixture(autouse=True)
def no_commit_delay(monkeypatch):
    """Events can be read as soon as they are stored."""
    monkeypatch.setattr(finished_runs, "_COMMIT_TIMEOUT_S", 0)


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with instance_in(tmp_path_factory.mktemp("home")) as instance:
        yield instance


@pytest.fixture
def feed(instance):
    return Feed(instance)


@pytest.fixture
def webhook():
    with local_webhook() as webhook:
        yield webhook


@pytest.fixture
def logging_instance(tmp_path, capfd):  # noqa: ARG001 - standard output must be the test's by now
    process_stdout.cache_clear()
    with instance_in(tmp_path, dagster_handler_config=JSON_LINES) as instance:
        yield instance
    logging.getLogger("stock_platform.orchestration.monitoring").handlers.clear()
    process_stdout().close()
    process_stdout.cache_clear()


class Feed:
    """The events of an instance from now on, page by page."""

    def __init__(self, instance):
        self.instance = instance
        self.cursor = EventCursor.at_present(instance)

    def read(self):
        page = read_events(self.instance, self.cursor)
        # Stored between ticks as text.
        self.cursor = EventCursor.model_validate_json(page.cursor.model_dump_json())
        return page

    def run_ids(self):
        return [run.run_id for run in self.read().runs]
