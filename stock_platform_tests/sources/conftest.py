"""The true client, pointed at a real HTTP server on 127.0.0.1."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stock_platform.sources.transport import YahooSession
from stock_platform.sources.yahoo import YahooClient
from stock_platform_tests.sources.local_yahoo import Yahoo


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yfinance")


@pytest.fixture
def yahoo() -> Iterator[Yahoo]:
    local = Yahoo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served = local.answer(self.path)
            self.send_response(served.status)
            length = len(served.body) if served.length is None else served.length
            for name, value in {"Content-Length": str(length), **served.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        local.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield local
        server.shutdown()
        thread.join()


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
