"""The production configuration on emulators: the same rows as on a laptop."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from unittest.mock import Mock

import dagster as dg
import pandas as pd
import pytest
from google.cloud import bigquery
from google.longrunning import operations_pb2
from pyspark.sql import DataFrame, SparkSession

from stock_platform.contracts import TABLES
from stock_platform.definitions import build_definitions
from stock_platform.lake import files, raw_runs
from stock_platform.settings import load_settings
from stock_platform_tests.support import ROOT
from stock_platform_tests.support.google.cloud import cloud
from stock_platform_tests.support.google.token_server import TOKEN
from stock_platform_tests.support.platform_fixture import SAMPLE_ERP, Platform, range_tags

pytestmark = pytest.mark.integration

# These differ between deployments.
DEPLOYMENT_COLUMNS = ("FetchedAt", "BatchId", "LoadedAt", "KnownFrom", "AppliedAt")
# Sessions that no other test touches.
SHORT = ("2011-01-03", "2011-01-05")
# A batch that was committed is not run again unless its sessions were fetched again.
NEW_BATCH = ("raw_stock_prices", "processed_stock_prices")
CRASH = "stock_platform_tests.support.google.crash_mid_load"


@pytest.fixture(scope="module")
def production(google):
    with cloud(google) as deployment, pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.environment.items():
            patch.setenv(name, value)
        yield deployment


@pytest.fixture(scope="module")
def definitions(production):
    assert production.environment["STOCK_PLATFORM_DEPLOYMENT"] == "production"
    return build_definitions(load_settings())


@pytest.fixture(scope="module")
def run(definitions):
    """Run a job of the production deployment, for some sessions or none."""
    with dg.DagsterInstance.ephemeral() as instance:

        def execute(job, first=None, last=None, defs=definitions):
            return defs.resolve_job_def(job).execute_in_process(
                instance=instance, tags=range_tags(first, last), raise_on_error=False
            )

        yield execute


@pytest.fixture(scope="module")
def year(production, run):
    """The runs of the year 2012, by job."""
    production.drop_sample_erp()
    sessions = {"daily_stock_prices": ("2012-01-03", "2012-12-31")}
    jobs = ("erp_load", "reference_data", "daily_stock_prices", "quality_report")
    return {job: run(job, *sessions.get(job, ())) for job in jobs}


def warehouse(definitions):
    return definitions.resources["warehouse"].open()


def test_every_job_and_check_succeeds(year):
    for job, result in year.items():
        assert result.success, job
        failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
        assert failed == [], job


@pytest.mark.parametrize("table", [name for name in TABLES if name != "asset_check_result"])
def test_rows_equal_local_deployment(year, definitions, local, table):
    assert year
    rows = warehouse(definitions).read(TABLES[table]).to_pandas()
    assert len(rows) > 0
    own = [name for name in DEPLOYMENT_COLUMNS if name in rows]
    rows, expected = rows.drop(columns=own), local[table].drop(columns=own)
    # Sail reads one in ten numbers of 17 digits as a neighbour of the nearest double.
    pd.testing.assert_frame_equal(rows, expected, check_exact=False, rtol=3e-16, atol=0)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STOCK_PLATFORM_DEPLOYMENT", raising=False)
        with Platform(
            tmp_path_factory.mktemp("local"), market_data="sample", end_date=date(2012, 12, 31)
        ) as platform:
            platform.load_sample_dimensions()
            assert platform.run("daily_stock_prices", "2012-01-03", "2012-12-31").success
            year = {name: platform.table(name) for name in TABLES}
            assert platform.run("daily_stock_prices", *SHORT).success
            yield {**year, "short": prices(platform.warehouse)}


def prices(warehouse):
    days = [date(2011, 1, day) for day in (3, 4, 5)]
    rows = warehouse.read(TABLES["fact_stock_price"], days).to_pandas()
    return rows.drop(columns=["FetchedAt", "BatchId", "YahooAdjClose"])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return folder


@pytest.fixture
def orchestrator(production, home):
    """Start an orchestrator in its own process."""

    def start(point, *assets):
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", CRASH, point, *SHORT, *assets],
            cwd=ROOT,
            env={**os.environ, **production.environment, "DAGSTER_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return start


@pytest.fixture
def fetched(year, production, orchestrator):
    """The raw prices of the short range."""
    assert year
    if not raw_runs.runs_of(production.paths, list(SHORT)):
        assert orchestrator("never", "raw_stock_prices").wait(240) == 0
    return True


def short_batches(production):
    return [name for name in production.dataproc.batches if "20110103" in name]


def test_restart_adopts_running_batch(fetched, production, orchestrator, definitions, local):
    assert fetched
    killed = orchestrator("never", "processed_stock_prices")
    while not short_batches(production):
        assert killed.poll() is None, "the orchestrator ended without a batch"
        time.sleep(0.05)
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    assert orchestrator("never", "processed_stock_prices", "fact_stock_price").wait(240) == 0
    assert len(short_batches(production)) == 1
    assert prices(warehouse(definitions)).equals(local["short"])


def test_restart_commits_finished_batch(fetched, production, orchestrator, definitions):
    assert fetched
    before = len(short_batches(production))
    # Another universe gives the same sessions another batch.
    extra = "C-9999,ZZZZ,Another,XNAS,Tech,US,USD,,N,2012-01-01"
    content = (SAMPLE_ERP / "companies.csv").read_text() + f"{extra}\n"
    files.write(f"{production.paths.landing('companies')}/more.csv", content.encode())
    assert orchestrator("never", "raw_erp_exchanges", "raw_erp_companies").wait(120) == 0
    assert orchestrator("while-committing", "processed_stock_prices").wait(240) == -signal.SIGKILL
    assert orchestrator("never", "processed_stock_prices", "fact_stock_price").wait(240) == 0
    assert len(short_batches(production)) == before + 1
    assert len(prices(warehouse(definitions))) == 12


def test_restart_commits_unfinished_load(year, production, orchestrator, definitions):
    assert year
    store = warehouse(definitions)
    rows = prices(store)
    store.apply([], [], rebuild=True)
    before = production.jobs("load-fact_")
    assert orchestrator("before-commit", "fact_corporate_action").wait(120) == -signal.SIGKILL
    staged = production.jobs("load-fact_")
    assert len(staged) > len(before)
    assert orchestrator("never", "fact_corporate_action").wait(120) == 0
    assert len(production.jobs("load-fact_")) == len(staged)
    assert prices(store).equals(rows)


FAILS = "print('reading prices'); raise SystemExit('prices.json.gz is no whole gzip file')"
ENDLESS = "import time; print('working', flush=True); time.sleep(600)"


@pytest.fixture
def script(production):
    """Run a script instead of the job."""
    driver = production.dataproc.driver
    yield lambda text: setattr(production.dataproc, "driver", replace(driver, script=text))
    production.dataproc.driver = driver


def test_run_shows_last_lines_of_failed_driver(fetched, definitions, run, script):
    assert fetched
    script(FAILS)
    job = dg.define_asset_job("failing", dg.AssetSelection.assets(*NEW_BATCH))
    merged = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
    (failure,) = run("failing", *SHORT, merged).get_step_failure_events()
    message = failure.step_failure_data.error.cause.message
    assert "Driver exited with code 1" in message
    assert message.rstrip().endswith("reading prices\nprices.json.gz is no whole gzip file")


@pytest.fixture
def endless(fetched, production, orchestrator, script):
    """An orchestrator whose batch never ends, and the batch."""
    assert fetched
    script(ENDLESS)
    before = set(production.dataproc.batches)
    process = orchestrator("never", *NEW_BATCH)

    def new_batches():
        return [batch for name, batch in production.dataproc.batches.items() if name not in before]

    while not new_batches() or new_batches()[0].state.name != "RUNNING":
        assert process.poll() is None, "the orchestrator ended without a batch"
        time.sleep(0.05)
    (batch,) = new_batches()
    yield process, batch
    request = operations_pb2.CancelOperationRequest(name=batch.operation)
    production.dataproc.cancel_operation(request)


@pytest.mark.parametrize(("canceled", "state"), [(True, "CANCELLED"), (False, "RUNNING")])
def test_only_canceled_runs_cancel_their_batch(endless, home, canceled, state):
    process, batch = endless
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]), limit=1)[0]
        if canceled:
            instance.report_run_canceling(run)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    time.sleep(1)
    assert batch.state.name == state


def test_events_and_snapshots_contain_no_secrets(year, production, definitions):
    jobs = definitions.get_repository_def().get_all_jobs()
    texts = [str(event) for result in year.values() for event in result.all_events]
    texts += [dg.serialize_value(job.get_job_snapshot()) for job in jobs]
    secrets = [TOKEN, *production.google.private_key.splitlines()[1:-1]]
    assert texts
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []


def test_batch_reports_cost_and_console_link(year):
    prices = year["daily_stock_prices"]
    materialized = prices.asset_materializations_for_node("processed_stock_prices")
    done = next(found.metadata for found in materialized if "run_dcu_seconds" in found.metadata)
    assert done["run_dcu_seconds"].value > 0
    assert done["run_estimated_usd"].value > 0
    assert done["run_dataproc_console"].value.startswith("https://console.cloud.google.com/")


def test_custom_asset_receives_spark_frame(definitions, monkeypatch, year):
    """The connector is a jar of Google: its query is sent to BigQuery directly here."""
    assert year

    def frame(*columns):
        return Mock(columns=list(columns), toDF=frame)

    def load(query):
        return frame(*(field.name for field in bigquery.Client().query(query).result().schema))

    session = Mock()
    session.read.format.return_value.options.return_value.load = load
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", lambda _: session)
    key, day = dg.AssetKey("fact_stock_price"), "2012-01-03"
    context = dg.build_input_context(
        upstream_output=dg.build_output_context(asset_key=key),
        asset_key=key,
        dagster_type=dg.DagsterType(lambda _context, _value: True, "frame", typing_type=DataFrame),
        partition_key=day,
        asset_partition_key_range=dg.PartitionKeyRange(day, day),
        asset_partitions_def=dg.StaticPartitionsDefinition([day]),
    )
    loaded = definitions.resources["warehouse_table"].load_input(context)
    session.read.format.assert_called_once_with("bigquery")
    assert loaded.columns == list(TABLES["fact_stock_price"].column_names)


def test_rebuild_restores_emptied_dataset(year, run, production, definitions):
    assert year
    store = warehouse(definitions)
    # Another test dropped a file, and loaded it only into the lake.
    assert run("erp_load").success
    before = {name: store.read(TABLES[name]).to_pandas() for name in TABLES}
    for name in TABLES:
        bigquery.Client().delete_table(f"{production.dataset}.{name}")
    assert run("rebuild_warehouse").success
    for name, rows in before.items():
        after = store.read(TABLES[name]).to_pandas()
        times = [column for column in ("AppliedAt",) if column in rows]
        pd.testing.assert_frame_equal(after.drop(columns=times), rows.drop(columns=times))
