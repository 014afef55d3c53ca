"""A small HTTP server with the documented behaviour of Grafana's API for folders and boards; Grafana is not run here.

https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/ and folder/; 409 for the name of a folder that
exists, and 412 instead of it, as in https://github.com/grafana/terraform-provider-grafana/issues/2176.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]


@dataclass
class GrafanaApi:
    """What the server has.

    Attributes:
        url: its address with its sub-path.
        token: what a request needs; "" for none.
        read_only: the token has the role Viewer.
        folders: uid -> title.
        boards: uid -> board, folder's uid, whether it was loaded from a file.
        fixed: (method, path) -> an answer instead of the regular one; a text is no JSON, or where 302 leads.
        requests: method and path of each request.
    """

    url: str = ""
    token: str = "glsa_secret"
    read_only: bool = False
    folders: dict[str, str] = field(default_factory=dict)
    boards: dict[str, tuple[dict[str, Any], str, bool]] = field(default_factory=dict)
    fixed: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, fields: dict[str, str], body: Any) -> Answer:
        """Return status and content."""
        if (method, path) in self.fixed:
            return self.fixed[method, path]
        if method == "POST" and self.read_only:
            return 403, {"message": "You'll need additional permissions to perform this action."}
        if (method, path) == ("GET", "/api/folders"):
            size, page = int(fields["limit"]), int(fields["page"])
            rows = [{"uid": uid, "title": title} for uid, title in self.folders.items()]
            return 200, rows[size * (page - 1) : size * page]
        if (method, path) == ("POST", "/api/folders"):
            if body["title"] in self.folders.values():
                return 409, {"message": "a folder with the same name already exists in the current location"}
            uid = f"f{len(self.folders)}"
            self.folders[uid] = body["title"]
            return 200, {"uid": uid, "title": body["title"]}
        if (method, path) == ("POST", "/api/dashboards/db"):
            return self._save(body)
        uid = path.removeprefix("/api/dashboards/uid/")
        if method == "GET" and uid in self.boards:
            board, folder, provisioned = self.boards[uid]
            meta = {"folderUid": folder, "folderTitle": self.folders.get(folder, "General"), "provisioned": provisioned}
            return 200, {"dashboard": board, "meta": meta}
        return 404, {"message": "Dashboard not found"}

    def _save(self, body: Any) -> Answer:
        board, folder = body["dashboard"], body.get("folderUid", "")
        before = self.boards.get(board["uid"])
        if folder not in self.folders:
            return 400, {"message": "folder not found"}
        if before and before[2]:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if before and not body["overwrite"] and before[0]["version"] != board.get("version"):
            message = "The dashboard has been changed by someone else"
            return 412, {"message": message, "status": "version-mismatch"}
        version = before[0]["version"] + 1 if before else 1
        self.boards[board["uid"]] = ({**board, "id": len(self.boards) + 1, "version": version}, folder, False)
        return 200, {"uid": board["uid"], "status": "success", "version": version}


@contextmanager
def running(path: str = "/grafana", tls: ssl.SSLContext | None = None) -> Iterator[GrafanaApi]:
    """Serve one below a sub-path, on a free port of the loopback interface; over HTTPS with a context."""
    grafana = GrafanaApi()

    class Handler(BaseHTTPRequestHandler):
        """Answers GET and POST."""

        def do_GET(self) -> None:
            """Answer a query."""
            self._answer("GET", None)

        def do_POST(self) -> None:
            """Answer a change."""
            self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, method: str, body: Any) -> None:
            address = urlsplit(self.path)
            below = address.path.removeprefix(path)
            grafana.requests.append((method, below))
            fields = {key: values[0] for key, values in parse_qs(address.query).items()}
            if not address.path.startswith(path + "/api/"):
                # With a sub-path Grafana redirects what lacks it; a second slash leads there, too.
                self._send(301, "", {"Location": f"{path}{self.path}"})
            elif grafana.token and self.headers.get("Authorization") != f"Bearer {grafana.token}":
                self._send(401, {"message": "Invalid API key"})
            else:
                status, content = grafana.answer(method, below, fields, body)
                self._send(status, content, {"Location": content} if status == 302 else None)

        def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, text in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        grafana.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}{path}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield grafana
        finally:
            server.shutdown()
            thread.join()
