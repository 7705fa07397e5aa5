"""A server that issues access tokens to any caller, also for impersonated accounts."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from stock_platform_tests.support.local_server import Handler, local_server

TOKEN = "a-token-that-opens-nothing"  # noqa: S105 - it does
_AS_ANOTHER = re.compile(r"/serviceAccounts/([^/:]+):generateAccessToken$")


class _Handler(Handler):
    def respond(self, _: bytes) -> None:
        token: dict[str, object] = {"access_token": TOKEN, "expires_in": 3600}
        if another := _AS_ANOTHER.search(unquote(self.path)):
            expires_at = datetime.now(UTC) + timedelta(hours=1)
            token = {
                "accessToken": f"as {another[1]} by {self.headers['Authorization']}",
                "expireTime": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            }
        self.answer(200, json.dumps(token).encode(), {"Content-Type": "application/json"})


@contextmanager
def token_server() -> Iterator[str]:
    """The server's address."""
    with local_server(_Handler) as url:
        yield f"{url}/token"
