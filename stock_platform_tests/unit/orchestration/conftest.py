"""A laptop's instance in a temporary folder."""

import dagster as dg
import pytest

from stock_platform_tests.support.commands import new_home


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return new_home(tmp_path)


@pytest.fixture
def instance(home):
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened
