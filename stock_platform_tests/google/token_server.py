"""What gives an access token to whoever asks for one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from stock_platform_tests.local_server import Handler, local_server

TOKEN = "a-token-that-opens-nothing"  # noqa: S105 - it does


class _Handler(Handler):
    def respond(self, _: bytes) -> None:
        body = json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode()
        self.answer(200, body, {"Content-Type": "application/json"})


@contextmanager
def token_server() -> Iterator[str]:
    """The server's address."""
    with local_server(_Handler) as url:
        yield f"{url}/token"
