"""What the clients over HTTP send, by each variable of a connection, and how much of an answer they read."""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from batchtel.export import client
from batchtel.export.client import Client
from batchtel.export.endpoint import Endpoint
from batchtel.export.reply import Reply
from batchtel.schema.settings import read
from tests.support import certificates
from tests.support.process import reported, run, succeed
from tests.support.sink import Sink

BODY = b"one request"


@dataclass
class Server:
    """Answers `status` with `headers`; with `is_endless` it never stops. `arrived` has path, headers and body."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_endless: bool = False
    arrived: list[tuple[str, Message, bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Listen on a free port of loopback until the block ends."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name that http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.arrived.append((self.path, self.headers, body))
            server.connections.add(self.client_address)
            self.send_response(server.status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            if not server.is_endless:
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while True:
                self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that http.server gives it
            """Print nothing."""

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Print nothing: a client that has read enough closes its connection."""

    listener = Listener(("127.0.0.1", 0), Handler)
    if tls is not None:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True)
    server.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers 200."""
    with running() as server:
        yield server


def _client(url: str, **variables: str) -> Client:
    # The files of whoever runs the tests are none of theirs.
    settings = read({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables})
    endpoint = Endpoint.of("traces", settings)
    assert endpoint is not None
    return client.build(endpoint, 5.0)


@pytest.fixture(autouse=True)
def _without_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


@pytest.fixture(params=["own", "provided"])
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Client]:
    """Builds a client on urllib3, and one on the session of a credential provider."""
    if request.param == "own":
        return _client
    (tmp_path / "provider_of_test.py").write_text(
        "import requests\ndef make():\n    session = requests.Session()\n"
        "    session.headers['Authorization'] = 'Bearer provided'\n    return session\n"
    )
    metadata = tmp_path / "provider_of_test-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: provider-of-test\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_otlp_credential_provider]\ntest = provider_of_test:make\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def provided(url: str, **variables: str) -> Client:
        return _client(url, OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER="test", **variables)

    return provided


@pytest.mark.parametrize("signal", ["", "TRACES_"])
@pytest.mark.parametrize(
    ("compression", "content"),
    [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("none", bytes), ("", bytes)],
)
def test_a_request_is_compressed_as_set(
    build: Callable[..., Client],
    server: Server,
    signal: str,
    compression: str,
    content: Callable[[bytes], bytes],
) -> None:
    """The body is what the header names, whichever client sends it, by the variable of all signals and of one."""
    variables = {
        f"OTEL_EXPORTER_OTLP_{signal}COMPRESSION": compression,
        f"OTEL_EXPORTER_OTLP_{signal}HEADERS": "x-tenant=shop%20one",
    }
    assert build(server.url, **variables).send(BODY) == Reply("delivered")
    [(path, headers, body)] = server.arrived
    assert (path, content(body)) == ("/v1/traces", BODY)
    assert headers["Content-Encoding"] == (compression if compression in ("gzip", "deflate") else None)
    assert (headers["Content-Type"], headers["X-Tenant"]) == ("application/x-protobuf", "shop one")


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (204, {}, Reply("delivered")),
        (302, {"Location": "https://login.example/sso?token=1"}, Reply("retry", "HTTP 302, a redirect to ")),
        (400, {}, Reply("refused", "HTTP 400 Bad Request")),
        (401, {}, Reply("refused", "HTTP 401 Unauthorized", is_misdirected=True)),
        (413, {}, Reply("refused", "HTTP 413 ")),
        (429, {"Retry-After": "7"}, Reply("retry", "HTTP 429 Too Many Requests", 7.0)),
        (503, {"Retry-After": "9"}, Reply("retry", "HTTP 503 Service Unavailable", 9.0)),
    ],
)
def test_each_client_judges_a_reply_alike(
    build: Callable[..., Client], server: Server, status: int, headers: dict[str, str], expected: Reply
) -> None:
    """What is refused for good is not sent again, no redirect is followed, and the time to wait is the collector's."""
    server.status, server.headers = status, headers
    found = build(server.url).send(BODY)
    assert found.reason.startswith(expected.reason)
    assert found._replace(reason="") == expected._replace(reason="")
    assert [path for path, _, _ in server.arrived] == ["/v1/traces"]


def test_a_provider_gives_the_credentials(
    build: Callable[..., Client], request: pytest.FixtureRequest, server: Server
) -> None:
    """The session of the provider is used, and its own headers are on the request."""
    assert build(server.url).send(BODY).verdict == "delivered"
    is_provided = request.node.callspec.params["build"] == "provided"
    assert server.arrived[0][1]["Authorization"] == ("Bearer provided" if is_provided else None)


def test_a_provider_that_is_not_installed_is_named() -> None:
    """The error names it, and what is missing."""
    with pytest.raises(RuntimeError, match="the credential provider 'absent' is no entry point of "):
        _client("http://127.0.0.1:4318", OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER="absent")


def test_one_connection_serves_all_requests(server: Server) -> None:
    """It is opened once, also where a collector refuses what was sent."""
    sender = _client(server.url)
    for status in (200, 400, 503, 200):
        server.status = status
        sender.send(BODY)
    assert (len(server.arrived), len(server.connections)) == (4, 1)


@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_answer_without_end_ends_here(server: Server, status: int) -> None:
    """What something else than a collector answers is not read to its end, and the next request is a new connection."""
    sender = _client(server.url)
    server.status, server.is_endless = status, True
    assert sender.send(BODY).verdict == ("refused" if status == 400 else "retry")
    server.status, server.is_endless = 200, False
    assert sender.send(BODY) == Reply("delivered")
    assert len(server.connections) == 2


@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_certificates_are_those_of_the_variables(tmp_path: Path, signal: str) -> None:
    """A collector of the CA that is named is trusted and gets the client's certificate; another one is not."""
    certificates.issue(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    own = {
        f"OTEL_EXPORTER_OTLP_{signal}CLIENT_CERTIFICATE": str(tmp_path / "tls.crt"),
        f"OTEL_EXPORTER_OTLP_{signal}CLIENT_KEY": str(tmp_path / "tls.key"),
    }

    def trusting(name: str) -> dict[str, str]:
        return {f"OTEL_EXPORTER_OTLP_{signal}CERTIFICATE": str(tmp_path / name)}

    with running(tls) as server:
        assert _client(server.url, **own, **trusting("ca.crt")).send(BODY) == Reply("delivered")
        assert _client(server.url, **own, REQUESTS_CA_BUNDLE=str(tmp_path / "ca.crt")).send(BODY).verdict == "delivered"
        for variables in (own | trusting("another.crt"), own, trusting("ca.crt")):
            reply = _client(server.url, **variables).send(BODY)
            assert reply.verdict == "retry"
            assert reply.reason
        assert [body for _, _, body in server.arrived] == [BODY, BODY]


def test_a_proxy_gets_the_request_and_its_own_password(server: Server) -> None:
    """It is asked for the whole address, and no reason shows its password."""
    proxy = server.url.replace("//", "//user:p%40ss@")
    assert _client("http://collector.invalid:4318", HTTP_PROXY=proxy).send(BODY) == Reply("delivered")
    [(path, headers, _)] = server.arrived
    assert path == "http://collector.invalid:4318/v1/traces"
    assert (headers["Proxy-Authorization"], headers["Authorization"]) == ("Basic dXNlcjpwQHNz", None)
    broken = _client("http://collector.invalid:4318", HTTP_PROXY="http://user:secret@127.0.0.1:1").send(BODY)
    assert broken.verdict == "retry"
    assert "secret" not in broken.reason


def test_name_and_password_are_those_of_the_address_or_of_netrc(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The address wins; headers that are set win over both."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login file password of\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with_login = server.url.replace("//", "//user:p%40ss@")
    _client(server.url).send(BODY)
    _client(with_login).send(BODY)
    _client(with_login, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20set").send(BODY)
    assert [headers.get_all("Authorization") for _, headers, _ in server.arrived] == [
        ["Basic ZmlsZTpvZg=="],
        ["Basic dXNlcjpwQHNz"],
        ["Bearer set"],
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_instrumented_urllib3_makes_nothing_of_our_requests(sink: Sink, when: str) -> None:
    """An instrumentation of urllib3 replaces its method, before or after our import, and is not active in an export."""
    succeed(
        """
        import sys, urllib3, opentelemetry.context as context
        from opentelemetry import trace
        ours = urllib3.HTTPConnectionPool.urlopen

        def instrument():
            def urlopen(self, *args, **kwargs):
                # As opentelemetry-instrumentation-urllib3 does.
                if not context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY):
                    with trace.get_tracer("urllib3").start_as_current_span("POST"):
                        return ours(self, *args, **kwargs)
                return ours(self, *args, **kwargs)
            urllib3.HTTPConnectionPool.urlopen = urlopen

        if sys.argv[1] == "before":
            instrument()
        import batchtel
        with batchtel.job("instrumented"):
            if sys.argv[1] == "after":
                instrument()
            assert batchtel.flush(20)
        assert batchtel.flush(20)
        """,
        sink,
        when,
    )
    assert [span.name for span in sink.spans()] == ["batch_job.instrumented"]


def test_a_proxy_that_needs_another_package(sink: Sink) -> None:
    """A SOCKS proxy without PySocks is reported once, by its address; urllib3 prints no warnings of it."""
    finished = run(
        """
        import batchtel
        with batchtel.job("proxied"):
            pass
        """,
        sink,
        all_proxy="socks5://user:secret@127.0.0.1:9",
        BATCHTEL_EXIT_TIMEOUT="0.5",
    )
    before, fate = reported(finished.stderr)
    assert before == [
        f"cannot send telemetry to {sink.url}: the proxy socks5://127.0.0.1:9 needs the package PySocks; "
        "it is kept and sent again until this process ends"
    ]
    assert fate.startswith("lost: ")
    assert "secret" not in finished.stderr
