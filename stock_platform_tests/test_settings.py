"""Settings are validated once, and say what is wrong."""

from datetime import date
from pathlib import Path

import pytest

from stock_platform.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STOCK_PLATFORM_{name.upper()}", raising=False)


def test_the_default_is_a_laptop_without_an_account():
    settings = Settings()
    assert (settings.deployment, settings.market_data, settings.spark) == (
        "local",
        "sample",
        "sail",
    )
    assert settings.last_date == date(2013, 3, 1)
    assert Path(settings.lake).is_absolute()
    assert settings.warehouse_file.is_absolute()


def test_the_environment_overrides(monkeypatch, tmp_path):
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
        ("SPARK", "flink", "'sail' or 'spark'"),
        ("DEPLOYMENT", "prod", "'local'"),
        ("EXCHANGES", " , ", "at least one exchange"),
        ("END_DATE", "1999-01-01", "lies before START_DATE"),
        ("YAHOO_REQUESTS_PER_SECOND", "0", "greater than 0"),
        ("YAHOO_URL", "not a url", "valid URL"),
    ],
)
def test_a_wrong_value_is_refused_with_what_it_may_be(monkeypatch, name, value, says):
    monkeypatch.setenv(f"STOCK_PLATFORM_{name}", value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_the_complaint_names_the_variable_and_its_value(monkeypatch):
    monkeypatch.setenv("STOCK_PLATFORM_START_DATE", "tomorrow")
    with pytest.raises(SettingsError, match="STOCK_PLATFORM_START_DATE=tomorrow: "):
        load_settings()


def test_a_misspelt_variable_is_no_silent_default(monkeypatch):
    monkeypatch.setenv("STOCK_PLATFORM_LAEK", "x")
    with pytest.raises(SettingsError, match=r"LAEK: no such setting; there are .*_LAKE"):
        load_settings()


def test_partitions_do_not_go_beyond_the_sample():
    assert Settings(end_date=date(2014, 1, 2)).last_date == date(2013, 3, 1)
