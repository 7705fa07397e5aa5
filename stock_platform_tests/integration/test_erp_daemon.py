"""A killed and restarted daemon loads each file of the landing folder once."""

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from stock_platform.erp import ledger
from stock_platform_tests.support.commands import new_home
from stock_platform_tests.support.erp_exports import HEADER
from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, SAMPLE_ERP, Platform
from stock_platform_tests.support.processes import running

pytestmark = pytest.mark.integration

TIMEOUT_S = 180


@pytest.fixture
def platform(tmp_path):
    with Platform(tmp_path) as platform:
        platform.drop("exchanges", "exchanges.csv", (SAMPLE_ERP / "exchanges.csv").read_bytes())
        yield platform


@pytest.fixture
def home(tmp_path):
    return new_home(tmp_path / "home")


@contextmanager
def daemon(platform, home):
    environment = os.environ | platform.environment | {"DAGSTER_HOME": str(home)}
    command = (Path(sys.executable).parent / "dagster-daemon", "run", "-w", "workspace.yaml")
    with (
        (home / "log").open("ab") as log,
        running(*command, env=environment, stdout=log, stderr=log),
    ):
        yield


def wait_for(is_done, home):
    deadline = time.monotonic() + TIMEOUT_S
    while not is_done():
        assert time.monotonic() < deadline, (home / "log").read_text()[-3000:]
        time.sleep(0.2)


def companies(*rows):
    return "\n".join([HEADER, *rows]) + "\n"


def test_killed_daemon_loads_each_file_once(platform, home):
    def loads():
        records = ledger.read_ledger(platform.paths, "companies").by_arrival()
        return [(record.name, record.status) for record in records]

    def runs():
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return instance.get_runs_count(dg.RunsFilter(job_name="erp_load"))

    file = platform.drop("companies", "c.csv", companies(*SAMPLE_COMPANIES))
    with daemon(platform, home):
        wait_for(lambda: loads() == [("c.csv", "loaded")], home)

    platform.drop("companies", "c.csv", companies(*SAMPLE_COMPANIES[:7]))
    before = runs()
    with daemon(platform, home):
        wait_for(lambda: runs() > before, home)  # killed between request and record
    with daemon(platform, home):
        wait_for(lambda: len(loads()) == 2, home)
        file.unlink()
        again = platform.drop("companies", "c.csv", companies(*SAMPLE_COMPANIES))
        wait_for(lambda: len(loads()) == 3, home)
        again.unlink()
        platform.drop("companies", "d.csv", companies(*SAMPLE_COMPANIES[:6]))
        wait_for(lambda: len(loads()) == 4, home)

    assert loads() == [*[("c.csv", "loaded")] * 3, ("d.csv", "loaded")]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = instance.fetch_observations(dg.AssetKey("raw_erp_companies"), limit=100).records
        generations = [record.asset_observation.metadata["generation"].value for record in found]
        assert sorted(generations) == sorted(set(generations))
        assert len(generations) == 4

        def missing():
            return set(platform.table("dim_company").query("IsMissingFromExport")["SecurityId"])

        wait_for(lambda: missing() == {"C-0007", "C-0008"}, home)
