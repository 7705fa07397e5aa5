"""Settings are validated once, with messages that explain the error."""

from datetime import date
from pathlib import Path

import pytest

from stock_platform.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOCK_PLATFORM_{name.upper()}", raising=False)


def test_defaults_need_no_account():
    settings = Settings()
    assert (settings.deployment, settings.market_data, settings.spark) == (
        "local",
        "sample",
        "sail",
    )
    assert settings.last_date == date(2013, 3, 1)
    assert Path(settings.lake).is_absolute()
    assert settings.warehouse_file.is_absolute()


def test_environment_overrides_defaults(monkeypatch, tmp_path):
    monkeypatch.setenv("STOCK_PLATFORM_LAKE", "gs://bucket/prices/")
    monkeypatch.setenv("STOCK_PLATFORM_WAREHOUSE", f"duckdb:///{tmp_path}/w.duckdb")
    monkeypatch.setenv("STOCK_PLATFORM_EXCHANGES", "xlon, XNYS")
    monkeypatch.setenv("STOCK_PLATFORM_MARKET_DATA", "yahoo")
    settings = Settings()
    assert settings.lake == "gs://bucket/prices"
    assert settings.warehouse_file == tmp_path / "w.duckdb"
    assert settings.exchanges == ("XLON", "XNYS")
    assert settings.last_date is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WAREHOUSE", "postgres://x", "expected duckdb:///PATH"),
        ("WAREHOUSE", "bigquery://project", "or bigquery://PROJECT/DATASET"),
        ("LAKE", " ", "name a directory"),
        ("LAKE", "s3://bucket/prices", "expected a directory, or gs://"),
        ("START_DATE", "2020-01-02", "the sample ends 2013-03-01.*MARKET_DATA=yahoo"),
        ("LAKE", "gs://b-{tier}", "the only placeholder is {layer}"),
        ("LAKE", "prices[1]", r"contains \[: use another directory"),
        ("INGEST_ACCOUNT", "somebody@example.com", "pattern"),
        ("REGION", "Europe", "pattern"),
        ("DATAPROC__MIN_EXECUTORS", "9", "MAX_EXECUTORS=8 is below MIN_EXECUTORS=9"),
        ("DATAPROC__TTL_MINUTES", "5", "greater than or equal to 10"),
        ("DATAPROC__NETWORK_TAGS", "Not A Tag", "pattern"),
        ("SPARK", "flink", "'sail', 'spark' or 'dataproc'"),
        ("DEPLOYMENT", "prod", "'local'"),
        ("EXCHANGES", " , ", "at least one exchange"),
        ("END_DATE", "1999-01-01", "is before START_DATE"),
        ("YAHOO_REQUESTS_PER_SECOND", "0", "greater than 0"),
        ("YAHOO_URL", "not a url", "valid URL"),
    ],
)
def test_invalid_value_is_explained(monkeypatch, name, value, says):
    monkeypatch.setenv(f"STOCK_PLATFORM_{name}", value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_error_names_variable_and_value(monkeypatch):
    monkeypatch.setenv("STOCK_PLATFORM_START_DATE", "tomorrow")
    with pytest.raises(SettingsError, match="STOCK_PLATFORM_START_DATE=tomorrow: "):
        load_settings()


def test_misspelt_variable_is_rejected(monkeypatch):
    monkeypatch.setenv("STOCK_PLATFORM_LAEK", "x")
    with pytest.raises(
        SettingsError, match="LAEK: no such setting; did you mean STOCK_PLATFORM_LAKE"
    ):
        load_settings()


def test_sample_limits_last_date():
    assert Settings(end_date=date(2014, 1, 2)).last_date == date(2013, 3, 1)


ON_GOOGLE_CLOUD = {
    "DEPLOYMENT": "production",
    "LAKE": "gs://bucket/prices",
    "WAREHOUSE": "bigquery://my-project/prices",
    "REGION": "europe-west1",
}


@pytest.fixture
def cloud(monkeypatch):
    def load(**changed):
        for name, value in {**ON_GOOGLE_CLOUD, **changed}.items():
            if value is None:
                monkeypatch.delenv(f"STOCK_PLATFORM_{name}", raising=False)
            else:
                monkeypatch.setenv(f"STOCK_PLATFORM_{name}", value)
        return load_settings()

    return load


def test_google_cloud_uses_yahoo_and_dataproc(cloud):
    settings = cloud(DATAPROC__TIER="premium")
    assert (settings.market_data, settings.spark) == ("yahoo", "dataproc")
    assert (settings.warehouse.project, settings.warehouse.dataset) == ("my-project", "prices")
    assert str(settings.warehouse) == ON_GOOGLE_CLOUD["WAREHOUSE"]
    assert settings.warehouse_file is None
    assert settings.dataproc.tier == "premium"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"LAKE": "lake"}, "needs STOCK_PLATFORM_LAKE=gs://BUCKET/PREFIX"),
        ({"WAREHOUSE": None}, "needs STOCK_PLATFORM_WAREHOUSE=bigquery://PROJECT/DATASET"),
        ({"REGION": None}, "needs STOCK_PLATFORM_REGION"),
        ({"SPARK": "sail"}, "needs STOCK_PLATFORM_SPARK=dataproc"),
        (
            {"DEPLOYMENT": "local", "SPARK": "sail", "LAKE": "lake"},
            "BigQuery cannot read a local directory",
        ),
        ({"MARKET_DATA": "sample"}, "production requires MARKET_DATA=yahoo"),
    ],
)
def test_incompatible_settings_are_named(cloud, changed, says):
    with pytest.raises(SettingsError, match=says):
        cloud(**changed)


def test_staging_may_serve_sample(cloud):
    assert cloud(DEPLOYMENT="staging", MARKET_DATA="sample").market_data == "sample"
