"""`batchtel doctor` before a real collector: each cause of a failed export has its own fix."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
import yaml
from click.testing import CliRunner, Result

from batchtel.cli.main import main
from tests.support.program import Program

NOWHERE = "http://127.0.0.1:1"
"""An address of stores for tests that are not about them."""


@dataclass(frozen=True)
class Collector:
    """A real collector with an OTLP receiver for each way to be reached: name -> (gRPC port, HTTP port)."""

    ports: Mapping[str, tuple[int, int]]
    ca: Path
    other_ca: Path
    client: tuple[Path, Path]

    def grpc(self, name: str, scheme: str = "http") -> dict[str, str]:
        """Return the variables of a job that sends by gRPC."""
        return _variables(f"{scheme}://127.0.0.1:{self.ports[name][0]}", "grpc")

    def http(self, name: str, scheme: str = "http") -> dict[str, str]:
        """Return the variables of a job that sends by HTTP."""
        return _variables(f"{scheme}://127.0.0.1:{self.ports[name][1]}", "http/protobuf")


def _variables(endpoint: str, protocol: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}


@pytest.fixture(scope="module")
def collector(
    collector_program: Path, tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[Collector]:
    """A collector that accepts OTLP in plaintext, over TLS, with client certificates, and with a token."""
    folder = tmp_path_factory.mktemp("doctor")
    ca, other = trustme.CA(), trustme.CA()
    certificate, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("client@example.com")
    elsewhere = ca.issue_cert("collector.example.com")
    expired = ca.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "other.pem"))
    for name, issued in ("server", certificate), ("client", client), ("elsewhere", elsewhere), ("expired", expired):
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    tls = {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.key")}
    names: dict[str, dict[str, object]] = {
        "plain": {},
        "tls": {"tls": tls},
        "mutual": {"tls": {**tls, "client_ca_file": str(folder / "ca.pem")}},
        "renamed": {"tls": {"cert_file": str(folder / "elsewhere.pem"), "key_file": str(folder / "elsewhere.key")}},
        "expired": {"tls": {"cert_file": str(folder / "expired.pem"), "key_file": str(folder / "expired.key")}},
        "token": {"auth": {"authenticator": "bearertokenauth"}},
    }
    numbers = free_ports(2 * len(names) + 1)
    ports = {name: (numbers[2 * index], numbers[2 * index + 1]) for index, name in enumerate(names)}
    configuration = {
        "extensions": {
            "health_check": {"endpoint": f"127.0.0.1:{numbers[-1]}"},
            "bearertokenauth": {"token": "sesame"},
        },
        "receivers": {
            f"otlp/{name}": {
                "protocols": {
                    "grpc": {"endpoint": f"127.0.0.1:{ports[name][0]}", **settings},
                    "http": {"endpoint": f"127.0.0.1:{ports[name][1]}", **settings},
                }
            }
            for name, settings in names.items()
        },
        "exporters": {"debug": {}},
        "service": {
            "extensions": ["health_check", "bearertokenauth"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                signal: {"receivers": [f"otlp/{name}" for name in names], "exporters": ["debug"]}
                for signal in ("traces", "metrics", "logs")
            },
        },
    }
    file = folder / "collector.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    with Program([collector_program, "--config", file], folder / "log", f"http://127.0.0.1:{numbers[-1]}"):
        yield Collector(ports, folder / "ca.pem", folder / "other.pem", (folder / "client.pem", folder / "client.key"))


def endpoint(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the doctor prints about variables and endpoint, without the label in front."""
    output = doctor(variables, monkeypatch).stdout.splitlines()
    found = []
    for index, line in enumerate(output):
        if line[7:].startswith(("endpoint: ", "variables: ")) and "are as recommended" not in line:
            found.append(line[7:])
            found += [text.strip() for text in output[index + 1 : index + 2] if text.startswith("       fix: ")]
    return found


def doctor(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run `batchtel doctor` with these OTEL_* variables and no store."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "BATCHTEL_"))]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    stores = ["--prometheus", NOWHERE, "--victorialogs", NOWHERE, "--jaeger", NOWHERE]
    return CliRunner().invoke(main, ["doctor", "--timeout", "1", *stores])


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("name", ["plain", "tls", "mutual", "token"])
def test_what_works(collector: Collector, name: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the correct scheme, certificates and token every receiver accepts both protocols."""
    variables = getattr(collector, protocol)(name, "https" if name in ("tls", "mutual") else "http")
    variables |= {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.ca)} if name in ("tls", "mutual") else {}
    variables |= {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20sesame"} if name == "token" else {}
    if name == "mutual":
        certificate, key = collector.client
        variables["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = str(certificate)
        variables["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = str(key)
    address, speaks = variables["OTEL_EXPORTER_OTLP_ENDPOINT"], variables["OTEL_EXPORTER_OTLP_PROTOCOL"]
    assert endpoint(variables, monkeypatch) == [f"endpoint: {address} accepts {speaks}"]


def test_nothing_listens(free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A port without a listener, and exit code 3."""
    (port,) = free_ports(1)
    variables = _variables(f"http://127.0.0.1:{port}", "http/protobuf")
    assert endpoint(variables, monkeypatch) == [
        f"endpoint: http://127.0.0.1:{port} cannot be reached: Connection refused",
        f"fix: nothing listens on 127.0.0.1:{port}: start the collector (here: batchtel stack up), or correct the port",
    ]
    assert doctor(variables, monkeypatch).exit_code == 3


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that DNS cannot resolve."""
    message, fix = endpoint(_variables("http://collector.invalid:4318", "http/protobuf"), monkeypatch)
    assert message.startswith("endpoint: http://collector.invalid:4318 cannot be reached: ")
    assert fix == (
        "fix: the name collector.invalid cannot be resolved here: correct OTEL_EXPORTER_OTLP_ENDPOINT, or the DNS of "
        "this machine"
    )


def test_a_name_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the name that is too long only as DNS has it; exit code 2."""
    host = "ä" * 60 + ".example"
    variables = _variables(f"http://{host}:4318", "http/protobuf")
    assert endpoint(variables, monkeypatch) == [
        f"endpoint: http://{host}:4318 names no host: a part of {host} is empty or too long",
        "fix: correct the name in OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    assert doctor(variables, monkeypatch).exit_code == 2


def test_an_address_of_a_store_without_its_scheme() -> None:
    """It is reported before any request; exit code 2."""
    result = CliRunner().invoke(main, ["doctor", "--loki", "127.0.0.1:3100"])
    assert (result.exit_code, result.output) == (
        2,
        "error: --loki 127.0.0.1:3100: an address begins with http:// or https://; write http://host:port\n",
    )


def test_grpc_at_the_http_port(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gRPC protocol where HTTP is spoken."""
    port = collector.ports["plain"][1]
    assert endpoint(_variables(f"http://127.0.0.1:{port}", "grpc"), monkeypatch) == [
        f"endpoint: port {port} speaks http/protobuf, not grpc",
        "fix: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf or use the collector's grpc port (usually 4317)",
    ]


def test_http_at_the_grpc_port(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP where gRPC is spoken."""
    port = collector.ports["plain"][0]
    assert endpoint(_variables(f"http://127.0.0.1:{port}", "http/protobuf"), monkeypatch) == [
        f"endpoint: port {port} speaks grpc, not http/protobuf",
        "fix: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc or use the collector's http/protobuf port (usually 4318)",
    ]


@pytest.mark.parametrize(
    ("index", "protocol", "fix"),
    [
        (0, "http/protobuf", "gRPC port (usually 4317): export OTEL_EXPORTER_OTLP_PROTOCOL=grpc; else look at its log"),
        (1, "grpc", "HTTP port (usually 4318): export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"),
    ],
)
def test_the_wrong_protocol_over_tls(
    collector: Collector, index: int, protocol: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS there is no check beforehand, so the answer to a request shows it."""
    variables = _variables(f"https://127.0.0.1:{collector.ports['tls'][index]}", protocol)
    _, found, *_ = endpoint({**variables, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.ca)}, monkeypatch)
    assert found == f"fix: if this is the {fix}"


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_plaintext_to_tls(collector: Collector, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector with TLS that receives plaintext."""
    variables = getattr(collector, protocol)("tls")
    address = variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoint(variables, monkeypatch) == [
        f"endpoint: {address} speaks TLS, and the address is http",
        f"fix: write https: {address.replace('http', 'https')}",
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_tls_to_plaintext(collector: Collector, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector with plaintext at an https address."""
    variables = getattr(collector, protocol)("plain", "https")
    address = variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoint(variables, monkeypatch) == [
        f"endpoint: {address} speaks plaintext, and the address is https",
        f"fix: write http: {address.replace('https', 'http')}; or turn TLS on in the collector",
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_an_unknown_authority(collector: Collector, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of an unknown CA: without any CA set, and with a wrong one."""
    variables = getattr(collector, protocol)("tls", "https")
    for more in {}, {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.other_ca)}:
        message, fix = endpoint({**variables, **more}, monkeypatch)
        assert message == (
            f"endpoint: TLS to {variables['OTEL_EXPORTER_OTLP_ENDPOINT']} fails: unable to get local issuer certificate"
        )
        assert fix == (
            "fix: name the CA that has signed the collector's certificate: export OTEL_EXPORTER_OTLP_CERTIFICATE=FILE"
        )


def test_a_certificate_file_that_is_not_there(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is wrong input: exit code 2."""
    variables = {**collector.http("tls", "https"), "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}
    assert endpoint(variables, monkeypatch) == [
        "endpoint: OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere/ca.pem cannot be read: No such file or directory",
        "fix: name a file with the CA's certificate in PEM: export OTEL_EXPORTER_OTLP_CERTIFICATE=FILE",
    ]
    assert doctor(variables, monkeypatch).exit_code == 2


def test_a_certificate_of_another_name(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate for another host."""
    variables = {**collector.http("renamed", "https"), "OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.ca)}
    message, fix = endpoint(variables, monkeypatch)
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in message
    assert fix == "fix: use a name that is in the certificate, or issue one for this name"


def test_an_expired_certificate(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that ended yesterday."""
    variables = {**collector.http("expired", "https"), "OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.ca)}
    assert endpoint(variables, monkeypatch) == [
        f"endpoint: TLS to {variables['OTEL_EXPORTER_OTLP_ENDPOINT']} fails: certificate has expired",
        "fix: renew the collector's certificate; if it is valid, correct the clock of this machine",
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_no_client_certificate(collector: Collector, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that requires a client certificate."""
    variables = getattr(collector, protocol)("mutual", "https")
    message, fix = endpoint({**variables, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(collector.ca)}, monkeypatch)
    assert message.startswith(f"endpoint: TLS to {variables['OTEL_EXPORTER_OTLP_ENDPOINT']} fails: ")
    assert fix == (
        "fix: set a client certificate: export OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=FILE "
        "OTEL_EXPORTER_OTLP_CLIENT_KEY=FILE"
    )


@pytest.mark.parametrize("header", ["", "authorization=Bearer%20wrong"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_no_token(collector: Collector, protocol: str, header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that requires a token and receives none, or a wrong one."""
    variables = getattr(collector, protocol)("token")
    found = endpoint({**variables, "OTEL_EXPORTER_OTLP_HEADERS": header} if header else variables, monkeypatch)
    fix = 'send the token that the collector requires: export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20TOKEN"'
    assert found[1::2] == [f"fix: {fix}"] * 3
    for message, signal in zip(found[::2], ("traces", "metrics", "logs"), strict=True):
        assert message.startswith(f"endpoint: {variables['OTEL_EXPORTER_OTLP_ENDPOINT']} refuses {signal}: ")
        assert ("HTTP 401" if protocol == "http" else "gRPC UNAUTHENTICATED") in message


def test_an_address_with_a_path(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of one signal in the address of all of them."""
    variables = collector.http("plain")
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] += "/v1/traces"
    message, fix, *_ = endpoint(variables, monkeypatch)
    assert message.endswith("refuses traces: HTTP 404 Not Found: 404 page not found")
    assert fix == (
        "fix: write scheme, host and port only, without /v1/traces: OTEL_EXPORTER_OTLP_ENDPOINT=http://host:4318"
    )


ANSWERS = {
    200: "a proxy or a login page answers there: set NO_PROXY, or correct the address",
    302: "a proxy or a login page answers there: set NO_PROXY, or correct the address",
    403: "use credentials that may write, in OTEL_EXPORTER_OTLP_HEADERS",
    413: "raise the size limit of the proxy before the collector (8 MiB are enough)",
    429: "the collector is overloaded or starting: raise memory_limit",
    502: "a proxy answers, but not the collector behind it: start that",
    503: "the collector is overloaded or starting: raise memory_limit",
}


@pytest.mark.parametrize("status", ANSWERS)
def test_a_proxy_before_the_collector(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that answers for the collector."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer with the status."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = endpoint(_variables(f"http://127.0.0.1:{server.server_address[1]}", "http/protobuf"), monkeypatch)
        server.shutdown()
    assert f"refuses traces: HTTP {status}" in found[0]
    assert found[1] == f"fix: {ANSWERS[status]}"


def test_a_proxy_that_is_in_the_way(
    collector: Collector, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that answers, behind a proxy variable without a proxy: the variable is reported."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    _, fix, *_ = endpoint(collector.http("plain"), monkeypatch)
    assert fix == "fix: a proxy is set for it: export NO_PROXY=127.0.0.1, or repair the proxy"


def test_something_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that accepts connections and never answers."""
    monkeypatch.setattr("batchtel_stack.doctor.reach.TIMEOUT", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=_accept, args=(silent, accepted), daemon=True)
        thread.start()
        message, fix, *_ = endpoint(
            _variables(f"http://127.0.0.1:{silent.getsockname()[1]}", "http/protobuf"), monkeypatch
        )
        # Closing alone does not end accept(); sockets that are left over are a warning in some later test.
        silent.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in accepted:
            connection.close()
    assert message.endswith("refuses traces: no reply in time")
    assert fix == "fix: the server accepts connections and never answers: restart it"


def _accept(server: socket.socket, accepted: list[socket.socket]) -> None:
    while True:
        try:
            accepted.append(server.accept()[0])
        except OSError:
            return


WRONG_VARIABLES: dict[str, tuple[dict[str, str], list[str]]] = {
    "no endpoint": (
        {},
        [
            "variables: OTEL_EXPORTER_OTLP_ENDPOINT is not set, so jobs record nothing",
            "fix: export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (where `batchtel stack up` listens)",
        ],
    ),
    "turned off": (
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE},
        ["variables: OTEL_SDK_DISABLED=true turns telemetry off", "fix: unset OTEL_SDK_DISABLED"],
    ),
    "no scheme": (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"},
        [
            "variables: OTEL_EXPORTER_OTLP_ENDPOINT='127.0.0.1:4318' has no scheme, so nothing is sent there",
            "fix: set OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318",
        ],
    ),
    "a slip in the name": (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector..svc:4318"},
        [
            "variables: OTEL_EXPORTER_OTLP_ENDPOINT='http://collector..svc:4318' is not an address (a part of its host "
            "is empty or too long), so nothing is sent there",
            "fix: write http://host:port",
        ],
    ),
    "not a number": (
        {"OTEL_METRIC_EXPORT_INTERVAL": "often"},
        [
            "variables: OTEL_EXPORTER_OTLP_ENDPOINT is not set, so jobs record nothing",
            "fix: export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (where `batchtel stack up` listens)",
            "variables: OTEL_METRIC_EXPORT_INTERVAL='often' is not a number of milliseconds above 0; 15000 is used "
            "instead",
            "fix: correct or unset OTEL_METRIC_EXPORT_INTERVAL",
        ],
    ),
}


@pytest.mark.parametrize("case", WRONG_VARIABLES)
def test_a_variable_that_cannot_be_used(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables with which no job can send: exit code 2."""
    variables, expected = WRONG_VARIABLES[case]
    assert endpoint(variables, monkeypatch) == expected
    assert doctor(variables, monkeypatch).exit_code == 2


DISCOURAGED = {
    "OTEL_METRIC_EXPORT_INTERVAL=60000": (
        "OTEL_METRIC_EXPORT_INTERVAL is 60 s: between two exports a live run looks like a lost one, and what a killed "
        "job counted since is lost",
        "export OTEL_METRIC_EXPORT_INTERVAL=15000 (milliseconds; at most 30000)",
    ),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative": (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative: metrics of other libraries are sent as totals, "
        "which are counted again when the collector restarts while the job runs",
        "export OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta",
    ),
    "OTEL_EXPORTER_OTLP_TIMEOUT=10000": (
        "OTEL_EXPORTER_OTLP_TIMEOUT=10000 is 2.8 hours: Python reads seconds here",
        "export OTEL_EXPORTER_OTLP_TIMEOUT=10",
    ),
}


@pytest.mark.parametrize("setting", DISCOURAGED)
def test_a_variable_that_is_discouraged(collector: Collector, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables with which jobs send, but not as recommended."""
    name, _, text = setting.partition("=")
    message, fix = DISCOURAGED[setting]
    found = endpoint({**collector.http("plain"), name: text}, monkeypatch)
    assert found[:2] == [f"variables: {message}", f"fix: {fix}"]
    assert found[2].endswith("accepts http/protobuf")
