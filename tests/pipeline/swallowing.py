"""A proxy in front of a collector that swallows every third response, after the request has arrived."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

EVERY: Final = 3
"""The number of responses of which one is swallowed."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = port
        self.responses = itertools.count(1)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a connection that breaks is what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.close_connection = True
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=10)) as connection:
            connection.request("POST", self.path, body, {"content-type": self.headers["content-type"]})
            response = connection.getresponse()
            answer = response.read()
        if next(self.server.responses) % EVERY == 0:
            return
        self.send_response(response.status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def proxy(port: int) -> Iterator[int]:
    """Run a proxy of the OTLP receiver on `port` of loopback; yield its own port."""
    with _Server(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
