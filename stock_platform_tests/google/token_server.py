"""What gives an access token to whoever asks for one, of another account too."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

TOKEN = "a-token-that-opens-nothing"  # noqa: S105 - it does


_AS_ANOTHER = re.compile(r"/serviceAccounts/([^/:]+):generateAccessToken$")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        told: dict[str, object] = {"access_token": TOKEN, "expires_in": 3600}
        if another := _AS_ANOTHER.search(unquote(self.path)):
            expires_at = datetime.now(UTC) + timedelta(hours=1)
            told = {
                "accessToken": f"as {another[1]} by {self.headers['Authorization']}",
                "expireTime": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""


@contextmanager
def token_server() -> Iterator[str]:
    """The server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()
