"""Fixtures: the real client, connected to the local HTTP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_platform.market_data.http_session import YahooHttpSession
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform_tests.support.local_yahoo import Yahoo


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def waits() -> list[float]:
    """Recorded waiting times between attempts, in seconds. Nothing actually waits."""
    return []


@pytest.fixture
def session(yahoo: Yahoo, waits: list[float]) -> Iterator[YahooHttpSession]:
    session = YahooHttpSession(1000, yahoo.url, sleep=waits.append)
    yield session
    session.close()


@pytest.fixture
def client(session: YahooHttpSession, cache_dir: Path) -> YahooClient:
    return YahooClient(session, cache_dir)
