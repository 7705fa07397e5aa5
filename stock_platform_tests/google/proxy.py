"""What stands before an emulator, and answers some requests as Google does on a bad day."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

_HOP = {"connection", "content-encoding", "content-length", "transfer-encoding"}


@dataclass
class Fault:
    """An answer to requests whose method and address fit a pattern; so many times."""

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
        authorizations: what requests were authorized with.
    """

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    def fail(self, pattern: str, status: int, reason: str, message: str, times: int = 1) -> None:
        """Answer the next requests of a pattern with one of Google's errors."""
        error = {"code": status, "message": message, "errors": [{"reason": reason}]}
        self.faults.append(Fault(pattern, status, {"error": error}, times))

    def answer(self, pattern: str, body: dict[str, Any]) -> None:
        """Answer the next request of a pattern with a body."""
        self.faults.append(Fault(pattern, 200, body))

    def fault(self, asked: str, body: bytes) -> Fault | None:
        """The fault that a request meets."""
        self.asked.append(asked)
        for it in self.faults:
            if it.times and re.search(it.pattern, f"{asked} {body.decode(errors='replace')}"):
                it.times -= 1
                return it
        return None


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on a port of 127.0.0.1."""
    state = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.authorizations.add(self.headers.get("Authorization", ""))
            if fault := state.fault(f"{self.command} {self.path}", content):
                body, status, headers = json.dumps(fault.body).encode(), fault.status, {}
                headers["Content-Type"] = "application/json"
            else:
                kept = {name: it for name, it in self.headers.items() if name.lower() != "host"}
                answer = requests.request(
                    self.command,
                    f"{state.upstream}{self.path}",
                    data=content,
                    headers=kept,
                    timeout=60,
                )
                body, status = answer.content, answer.status_code
                headers = {
                    name: it.replace(state.upstream, state.url)
                    for name, it in answer.headers.items()
                    if name.lower() not in _HOP
                }
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()
