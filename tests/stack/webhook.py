"""A receiver of Alertmanager's webhooks, which keeps what it is sent."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Notified(NamedTuple):
    """One alert of one notification; a collector's alert has no job."""

    alert: str
    job: str
    status: str


class Webhook:
    """An HTTP server on loopback; a context manager that serves until its end."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        kept = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kept.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def notified(self) -> list[Notified]:
        """What has arrived so far, in the order of its arrival."""
        return [
            Notified(one["labels"]["alertname"], one["labels"].get("job_name", ""), one["status"])
            for one in list(self.alerts)
        ]
