"""HTTP servers on a port of 127.0.0.1 until the end of a block."""

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers requests of any method without logging."""

    @abstractmethod
    def respond(self, content: bytes) -> None:
        """Answer a request with this content."""

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a response; headers may contain another length than the body's."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""

    def read_and_respond(self) -> None:
        """Read a request of any method."""
        self.respond(self.rfile.read(int(self.headers.get("Content-Length", 0))))


for _method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
    setattr(Handler, f"do_{_method}", Handler.read_and_respond)


@contextmanager
def local_server(handler: type[Handler]) -> Iterator[str]:
    """Serve, and yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
