"""The true client, pointed at the real HTTP server of the root conftest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_platform.sources.transport import YahooSession
from stock_platform.sources.yahoo import YahooClient
from stock_platform_tests.sources.local_yahoo import Yahoo


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client waited between attempts, in place of waiting."""
    return []


@pytest.fixture
def session(yahoo: Yahoo, waits: list[float]) -> Iterator[YahooSession]:
    session = YahooSession(1000, yahoo.url, sleep=waits.append)
    yield session
    session.close()


@pytest.fixture
def client(session: YahooSession, cache_dir: Path) -> YahooClient:
    return YahooClient(session, cache_dir)
