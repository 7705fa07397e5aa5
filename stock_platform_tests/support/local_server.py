"""A server of a test's own on a port of 127.0.0.1, for as long as a block lasts."""

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers requests of any method, and says nothing of them on the terminal."""

    @abstractmethod
    def respond(self, content: bytes) -> None:
        """Answer a request that has this content."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send an answer; headers may say another length than the body's."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""

    def read_and_respond(self) -> None:
        """Take a request, of whatever method."""
        self.respond(self.rfile.read(int(self.headers.get("Content-Length", 0))))


for _method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
    setattr(Handler, f"do_{_method}", Handler.read_and_respond)


@contextmanager
def local_server(handler: type[Handler]) -> Iterator[str]:
    """The address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
