"""Lake and warehouse impersonate the accounts of the settings."""

import os
import uuid
from urllib.parse import urlsplit

import pytest
from google.cloud import bigquery, storage

from stock_platform.definitions import resources_for
from stock_platform.lake import files
from stock_platform.lake.cloud_storage import CloudStorage
from stock_platform.settings import Settings
from stock_platform_tests.support.google.emulators import PROJECT
from stock_platform_tests.support.google.proxy import proxy
from stock_platform_tests.support.google.token_server import TOKEN, token_server

pytestmark = pytest.mark.integration

INGEST = f"ingest@{PROJECT}.iam.gserviceaccount.com"
LOADER = f"loader@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def resources(google, monkeypatch):
    """Resources of a deployment with accounts; IAM is a local server."""
    assert google.private_key
    with token_server() as url:
        at = urlsplit(url).netloc
        endpoint = f"http://{at}/v1/projects/-/serviceAccounts/{{}}:generateAccessToken"
        monkeypatch.setattr("google.auth.iam._IAM_ENDPOINT", endpoint)
        name = f"i{uuid.uuid4().hex}"
        bucket = storage.Client().create_bucket(name).name
        dataset = bigquery.Client().create_dataset(name).dataset_id
        yield resources_for(
            Settings(
                deployment="staging",
                lake=f"gs://{bucket}",
                warehouse=f"bigquery://{PROJECT}/{dataset}",
                region="europe-west1",
                bigquery={"storage_read_api": False},
                ingest_account=INGEST,
                loader_account=LOADER,
            )
        )
    files.use_account(None)


def test_lake_uses_its_account(resources, monkeypatch):
    with proxy(os.environ["STORAGE_EMULATOR_HOST"]) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        CloudStorage.clear_instance_cache()
        uri = resources["lake"].paths.quality_report()
        files.write(uri, b"page")
        assert files.read(uri) == b"page"
    assert server.authorizations == {f"Bearer as {INGEST} by Bearer {TOKEN}"}
    CloudStorage.clear_instance_cache()


def test_warehouse_uses_its_account(resources, monkeypatch):
    with proxy(os.environ["BIGQUERY_EMULATOR_HOST"]) as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        assert resources["warehouse"].open().query("SELECT 1 AS one")["one"].to_pylist() == [1]
    assert server.authorizations == {f"Bearer as {LOADER} by Bearer {TOKEN}"}
