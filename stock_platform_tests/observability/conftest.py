"""Instances of Dagster in folders: one as the laptop's, and one that logs for machines."""

import logging

import dagster as dg
import pytest
import yaml

from stock_platform.observability.logging import process_stdout
from stock_platform_tests.webserver import ROOT

JSON_LINES = {
    "formatters": {"json": {"()": "stock_platform.observability.logging.JsonFormatter"}},
    "handlers": {
        "stdout": {
            "class": "stock_platform.observability.logging.StdoutHandler",
            "formatter": "json",
        }
    },
}


def instance_in(folder, **python_logs):
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    settings["python_logs"] |= python_logs
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return dg.DagsterInstance.from_config(str(folder))


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with instance_in(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture
def logging_instance(tmp_path, capfd):  # noqa: ARG001 - standard output is the test's from here on
    process_stdout.cache_clear()
    with instance_in(tmp_path, dagster_handler_config=JSON_LINES) as it:
        yield it
    logging.getLogger("stock_platform.observability").handlers.clear()
    process_stdout().close()
    process_stdout.cache_clear()
