"""A proxy of an emulator that can answer requests with Google's errors."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from stock_platform_tests.support.local_server import Handler, local_server

_HOP = {"connection", "content-encoding", "content-length", "transfer-encoding"}


@dataclass
class Fault:
    """A response to the next requests whose method, address and body match a pattern."""

    pattern: str
    status: int
    body: dict[str, Any]
    times: int = 1


@dataclass
class Proxy:
    """A proxy's state.

    Attributes:
        upstream: the emulator.
        asked: method and address of every request.
        authorizations: the authorization headers of all requests.
    """

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    def fail(self, pattern: str, status: int, reason: str, message: str, times: int = 1) -> None:
        """Answer the next matching requests with one of Google's errors."""
        error = {"code": status, "message": message, "errors": [{"reason": reason}]}
        self.faults.append(Fault(pattern, status, {"error": error}, times))

    def answer(self, pattern: str, body: dict[str, Any]) -> None:
        """Answer the next matching request with a body."""
        self.faults.append(Fault(pattern, 200, body))

    def fault(self, asked: str, body: bytes) -> Fault | None:
        """Record a request, and return the fault that it meets."""
        self.asked.append(asked)
        for fault in self.faults:
            if fault.times and re.search(fault.pattern, f"{asked} {body.decode(errors='replace')}"):
                fault.times -= 1
                return fault
        return None


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on a port of 127.0.0.1."""
    state = Proxy(upstream)

    class Forwarding(Handler):
        protocol_version = "HTTP/1.1"

        def respond(self, content: bytes) -> None:
            state.authorizations.add(self.headers.get("Authorization", ""))
            if fault := state.fault(f"{self.command} {self.path}", content):
                body = json.dumps(fault.body).encode()
                self.answer(fault.status, body, {"Content-Type": "application/json"})
                return
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = requests.request(
                self.command, f"{state.upstream}{self.path}", data=content, headers=kept, timeout=60
            )
            headers = {
                name: value.replace(state.upstream, state.url)
                for name, value in answer.headers.items()
                if name.lower() not in _HOP
            }
            self.answer(answer.status_code, answer.content, headers)

    with local_server(Forwarding) as state.url:
        yield state
