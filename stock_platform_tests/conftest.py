"""What tests of several rooms share: a local Yahoo, and a platform in a temporary folder."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import settings

from stock_platform_tests.platform import Platform
from stock_platform_tests.sources.local_yahoo import Yahoo

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path) as it:
        yield it


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
