"""Answers of a store as its documentation and the real program give them, served by a real HTTP server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Recorded:
    """The server: its address, and each request that it got, as path, fields and headers."""

    url: str
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)


@contextmanager
def answering(answers: dict[str, Any], status: int = 200) -> Iterator[Recorded]:
    """Serve `answers`, by path: bytes as they are, everything else as JSON; 404 to any other path."""

    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        def do_GET(self) -> None:
            """Answer what is recorded."""
            address = urlsplit(self.path)
            fields = {key: values[0] for key, values in parse_qs(address.query).items()}
            recorded.requests.append((address.path, fields, dict(self.headers.items())))
            answer = answers.get(address.path)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status if answer is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorded = Recorded(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield recorded
        server.shutdown()
        thread.join()
