"""Who may read the pages, and what a browser may do with them: real requests to a server whose stores are away."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from batchtel_dashboards.stores import Jaeger, Prometheus, VictoriaLogs
from batchtel_dashboards.web.app import app
from batchtel_dashboards.web.guard import HEADERS
from batchtel_dashboards.web.sources import Sources
from tests.support.site import COMMAND, Site, serving

AWAY: Final = [
    part for store in ("prometheus", "victorialogs", "jaeger") for part in (f"--{store}", "http://127.0.0.1:9")
]

TOKEN: Final = "0123456789abcdef"


@pytest.fixture(scope="module")
def open_site() -> Iterator[Site]:
    """Pages on loopback, without a token."""
    with serving(*AWAY, BATCHTEL_UI_TOKEN="") as site:
        yield site


@pytest.fixture(scope="module")
def closed_site() -> Iterator[Site]:
    """Pages that are reachable from other machines, with a token."""
    with serving(*AWAY, "--host", "0.0.0.0", BATCHTEL_UI_TOKEN=TOKEN) as site:
        yield site


@pytest.mark.parametrize(
    "path", ["/", "/job?name=a", "/runs", "/run?id=a", "/pipeline", "/none", "/static/page.js", "/find?q=a"]
)
def test_every_answer_has_the_headers(open_site: Site, path: str) -> None:
    """Nothing from elsewhere, nothing inline, no frame, no copy in a cache."""
    headers = {name.lower(): text for name, text in open_site.get(path).headers.items()}
    assert {name: headers[name.lower()] for name in HEADERS} == dict(HEADERS)
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(open_site: Site, method: str) -> None:
    """Only GET and HEAD are answered."""
    answer = open_site.get("/", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9494", 503),
        ("localhost", 503),
        ("LOCALHOST.:80", 503),
        ("[::1]:9494", 503),
        ("rebound.example.com", 421),
        ("127.0.0.1.example.com:9494", 421),
        ("localhost.example.com", 421),
        ("192.0.2.1", 421),
        ("", 421),
        ("<script>", 421),
    ],
)
def test_other_names_for_loopback_are_refused(open_site: Site, host: str, status: int) -> None:
    """A page of the internet whose name points to 127.0.0.1 cannot read this one."""
    assert open_site.get("/", Host=host).status == status


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/style.css", "/none"])
def test_off_loopback_each_request_needs_the_token(closed_site: Site, path: str) -> None:
    """As a password, or as a bearer token; any other answer is 401 and asks for it."""
    for wrong in (
        "",
        "Basic",
        "Basic !",
        "Bearer",
        "Bearer wrong",
        TOKEN,
        _basic("a", "wrong"),
        _basic(TOKEN, ""),
        "Bearer \xe9",
    ):
        answer = closed_site.get(path, Authorization=wrong)
        assert (answer.status, answer.headers["www-authenticate"].split()[0]) == (401, "Basic"), wrong
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", _basic("anyone", TOKEN), _basic("", TOKEN)):
        answer = closed_site.get(path, Authorization=right, Host="batch.example.com")
        assert answer.status in (200, 404, 503), right


@pytest.mark.parametrize(
    ("options", "token", "code", "text"),
    [
        (
            ["--host", "0.0.0.0"],
            "",
            2,
            "--host 0.0.0.0 is reachable from other machines, and BATCHTEL_UI_TOKEN is not set",
        ),
        (["--host", "::"], "", 2, "--host :: is reachable from other machines"),
        (["--host", "192.0.2.1"], TOKEN, 3, "cannot listen on 192.0.2.1:0"),
        ([], "short", 2, "BATCHTEL_UI_TOKEN has to be at least 16 characters of ASCII; make one: export"),
        (["--catalogue", "/none.toml"], "", 2, "cannot read the catalogue /none.toml"),
    ],
)
def test_what_is_wrong_with_a_start(options: list[str], token: str, code: int, text: str) -> None:
    """The error has what to type next; nothing is served."""
    command = [COMMAND, "ui", "--port", "0", *AWAY, *options]
    called = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"BATCHTEL_UI_TOKEN": token, "PATH": "/usr/bin"},
    )
    assert called.returncode == code
    assert text in called.stderr


def test_a_port_that_is_used(open_site: Site) -> None:
    """The error names the process that has it."""
    port = open_site.url.rpartition(":")[2]
    command = [COMMAND, "ui", "--port", port, *AWAY]
    called = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert called.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}: it is used by " in called.stderr
    assert "choose another: --port N, or --port 0" in called.stderr


def test_the_page_about_an_error_has_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours is a page without a traceback."""

    def fails(*_: object) -> None:
        raise RuntimeError("<script>")

    monkeypatch.setattr("batchtel_dashboards.web.app.fleet", fails)
    away = "http://127.0.0.1:9"
    served, sent = app(Sources(Prometheus(away), VictoriaLogs(away), Jaeger(away))), []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b""}

    async def request() -> None:
        await served(scope, receive, send)

    # In a thread: where tests of a browser ran before, this one has a loop already.
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="<script>"):
        pool.submit(lambda: asyncio.run(request())).result()
    head = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    assert sent[0]["status"] == 500
    assert {name.lower(): text for name, text in HEADERS.items()}.items() <= head.items()
    assert b"RuntimeError" in sent[1]["body"]
    assert b"<script>" not in sent[1]["body"].partition(b"<main")[2]


def test_pages_without_any_store(open_site: Site) -> None:
    """Each page names the stores that do not answer."""
    for path, products in (
        ("/", ("Prometheus", "VictoriaLogs")),
        ("/job?name=a", ("Prometheus", "VictoriaLogs")),
        ("/runs", ("VictoriaLogs",)),
        ("/run?id=a", ("VictoriaLogs",)),
    ):
        answer = open_site.get(path)
        assert answer.status == 503
        for product in products:
            assert f"{product} does not answer at http://127.0.0.1:9/" in answer.text
    pipeline = open_site.get("/pipeline")
    assert pipeline.status == 200
    for product in ("Prometheus", "VictoriaLogs", "Jaeger"):
        assert f"{product} does not answer at http://127.0.0.1:9/" in pipeline.text
