"""A receiver of alerts on 127.0.0.1, for Apprise's `json://` address."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stock_platform_tests.support.local_server import Handler, local_server

SECRET = "token-1f2e3d4c"  # noqa: S105 - opens nothing


@dataclass
class Webhook:
    """The state of a receiver.

    Attributes:
        address: for Apprise.
        statuses: of the next responses; later ones succeed.
        received: titles and messages of the successful requests.
        asked: number of all requests.
    """

    address: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    @property
    def titles(self) -> list[str]:
        """The titles of the successful requests."""
        return [message["title"] for message in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver, until the end of the block."""
    state = Webhook()

    class Receiving(Handler):
        def respond(self, content: bytes) -> None:
            state.asked += 1
            status = state.statuses.pop(0) if state.statuses else 200
            if status == 200:
                state.received.append(json.loads(content))
            self.answer(status, b"")

    with local_server(Receiving) as url:
        state.address = f"{url.replace('http://', 'json://')}/{SECRET}"
        yield state
