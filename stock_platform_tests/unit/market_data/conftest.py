"""Fixtures: the real client, connected to the local HTTP server."""

import pytest

from stock_platform.market_data.http_session import YahooHttpSession
from stock_platform.market_data.yahoo_client import YahooClient


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def waits():
    """Recorded waiting times between attempts, in seconds. Nothing actually waits."""
    return []


@pytest.fixture
def session(yahoo, waits):
    session = YahooHttpSession(1000, yahoo.url, sleep=waits.append)
    yield session
    session.close()


@pytest.fixture
def client(session, cache_dir):
    return YahooClient(session, cache_dir)
