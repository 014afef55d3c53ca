"""A real HTTP server that stands before Prometheus and can fail in each way of remote write."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Door:
    """Forwards remote writes to Prometheus, or answers `status` itself; remembers the sizes of what came.

    Attributes:
        status: 0 to forward, else what every request is answered.
        sizes: bytes of each request's body, as it came over the wire.
        refused: how many requests were answered with `status`.
    """

    def __init__(self, prometheus: str) -> None:
        self._prometheus = prometheus
        self.status = 0
        self.sizes: list[int] = []
        self.refused = 0
        self.url = ""

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return the status and the text that a request gets."""
        self.sizes.append(len(body))
        if self.status:
            self.refused += 1
            return self.status, b"configured to fail\n"
        with closing(http.client.HTTPConnection(urlsplit(self._prometheus).netloc, timeout=30)) as connection:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextmanager
def door(prometheus: str) -> Iterator[Door]:
    """Open a door before a Prometheus, `prometheus` is its address."""
    one = Door(prometheus)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Pass a request on."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, text = one.answer(self.path, dict(self.headers), body)
            except OSError:
                status, text = 503, b"Prometheus does not answer\n"
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        one.url = f"http://127.0.0.1:{server.server_address[1]}/api/v1/write"
        yield one
        server.shutdown()
