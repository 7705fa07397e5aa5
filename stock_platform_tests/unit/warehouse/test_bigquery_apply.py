"""BigQuery applies a batch once, even if the process dies after the commit."""

import pytest
from google.cloud import bigquery

from stock_platform.contracts import FACT_CORPORATE_ACTION, FACT_STOCK_PRICE
from stock_platform.lake import files
from stock_platform.warehouse.interface import Load, VersionLoad
from stock_platform_tests.support.commits import loaded_batch, parquet, price
from stock_platform_tests.support.google.cloud import new_bucket

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("google")]


def jobs(start):
    return [job for job in bigquery.Client().list_jobs() if job.job_id.startswith(start)]


@pytest.fixture
def applied(bigquery_warehouse):
    """Versions of a batch that were applied, and the function that applied them."""
    uri = f"gs://{new_bucket()}/part.parquet"
    files.write(uri, parquet("stock_prices", [price("A")], 0))
    day = price("A")["TradeDate"]
    load = VersionLoad(FACT_STOCK_PRICE, [uri], 1, day, day)

    warehouse = bigquery_warehouse

    def apply(*, rebuild=False):
        return warehouse.apply([load], [loaded_batch(0, 1)], rebuild=rebuild)[FACT_STOCK_PRICE.name]

    first = apply(rebuild=True)
    yield first, apply
    warehouse.apply([], [], rebuild=True)


def test_committed_transaction_is_adopted(bigquery_warehouse, applied):
    first, apply = applied
    bigquery_warehouse.apply([], [], rebuild=True)
    earlier = len(jobs("apply-versions-"))
    second = apply()
    assert len(jobs("apply-versions-")) == earlier + 1
    # As if the process had died after the commit, and another one had read the log before.
    assert apply() == second == first
    assert len(jobs("apply-versions-")) == earlier + 1
    assert len(bigquery_warehouse.read(FACT_STOCK_PRICE)) == 1


def test_rebuild_is_never_adopted(bigquery_warehouse, applied):
    _, apply = applied
    assert apply(rebuild=True) == Load(rows=1, replaced=1)
    assert len(bigquery_warehouse.read(FACT_STOCK_PRICE)) == 1


def test_apply_reports_jobs_and_cost_once(bigquery_warehouse, applied):
    first, _ = applied
    (job,) = jobs(first.statistics["bigquery_load_job"])
    assert job.labels == {"deployment": "test"}
    assert first.statistics["bigquery_estimated_usd"] >= 0
    actions = bigquery_warehouse.apply([], [loaded_batch(1)])[FACT_CORPORATE_ACTION.name]
    assert actions.statistics.keys() == {"bigquery_load_job", "bigquery_transaction_job"}
