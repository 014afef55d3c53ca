"""Which protocol is spoken where, and the warning where it is the wrong one; against the real collector."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batchtel.export.endpoint import Endpoint
from batchtel.schema.settings import read
from tests.support.process import reported, run, succeed
from tests.support.program import Program
from tests.support.sink import Sink

JOB = """
    import sys, batchtel
    with batchtel.job("spoken") as job, batchtel.step("inner"):
        job.records(processed=1)
    assert batchtel.flush(20 if sys.argv[1] == "arrives" else 3) is (sys.argv[1] == "arrives")
    loaded = {name for name in ("grpc", "requests", "urllib3") if name in sys.modules}
    assert loaded == set(sys.argv[2:]), loaded
    """

CONFIGURATION = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}}}
exporters: {{otlp_http: {{endpoint: "{sink}", compression: none, sending_queue: {{enabled: false}}}}}}
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http]}}
    metrics: {{receivers: [otlp], exporters: [otlp_http]}}
    logs: {{receivers: [otlp], exporters: [otlp_http]}}
"""


@dataclass(frozen=True)
class Collector:
    """The two receivers of a real collector."""

    grpc: str
    http: str


@pytest.fixture
def collector(
    sink: Sink, collector_program: Path, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> Iterator[Collector]:
    """A real collector that passes everything on to the sink, request by request."""
    grpc, http, health = free_ports(3)
    file = tmp_path / "collector.yaml"
    file.write_text(CONFIGURATION.format(grpc=grpc, http=http, health=health, sink=sink.url), encoding="utf-8")
    command: list[str | Path] = [collector_program, "--config", file]
    with Program(command, tmp_path / "collector.log", f"http://127.0.0.1:{health}"):
        yield Collector(f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}")


def _variables(url: str, **more: str) -> dict[str, str]:
    resource = "deployment.environment.name=test"
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_RESOURCE_ATTRIBUTES": resource, **more}


def _arrived(sink: Sink) -> bool:
    return bool(
        sink.total("batch.job.records.processed") == 1 and len(sink.spans()) == 2 and sink.event("batch.run.finished")
    )


def test_both_protocols_reach_a_collector(sink: Sink, collector: Collector) -> None:
    """Either protocol sends all three signals, and only the libraries of the one in use are imported."""
    succeed(JOB, None, "arrives", "grpc", **_variables(collector.grpc, OTEL_EXPORTER_OTLP_PROTOCOL="grpc"))
    assert _arrived(sink)
    sink.requests.clear()
    succeed(JOB, None, "arrives", "urllib3", **_variables(collector.http, OTEL_EXPORTER_OTLP_PROTOCOL="HTTP/protobuf"))
    assert _arrived(sink)
    sink.requests.clear()
    succeed(JOB, None, "arrives", "urllib3", **_variables(collector.http))
    assert _arrived(sink)


def test_the_wrong_protocol_is_diagnosed(collector: Collector) -> None:
    """GRPC at the HTTP port, and HTTP at the gRPC port: one line with what the port speaks and what to set."""
    for url, spoken, wrong, usual in (
        (collector.http, "http/protobuf", "grpc", 4317),
        (collector.grpc, "grpc", "http/protobuf", 4318),
    ):
        variables = _variables(url, OTEL_EXPORTER_OTLP_PROTOCOL=wrong, OTEL_EXPORTER_OTLP_TIMEOUT="2")
        finished = run(JOB, None, "lost", "grpc" if wrong == "grpc" else "urllib3", **variables)
        assert (finished.code, finished.stdout) == (0, ""), finished.stderr
        port = url.rpartition(":")[2]
        fix = (
            f"port {port} speaks {spoken}, not {wrong}: set OTEL_EXPORTER_OTLP_PROTOCOL={spoken} "
            f"or use the collector's {wrong} port (usually {usual})"
        )
        lines, fate = reported(finished.stderr)
        assert len(lines) == 1, finished.stderr
        assert fate.startswith("lost: ")
        assert lines[0].startswith(f"cannot send telemetry to {url}: {fix}"), lines


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("http://collector:4317", "grpc"),
        ("https://collector:4317/", "grpc"),
        ("http://collector:4318", "http/protobuf"),
        ("http://collector", "http/protobuf"),
        ("https://collector:443/otlp", "http/protobuf"),
        ("http://[::1]:4317", "grpc"),
    ],
)
def test_the_port_decides_where_no_variable_does(url: str, protocol: str) -> None:
    """Without a protocol variable port 4317 means gRPC and anything else HTTP; a variable wins."""
    settings = read({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    found = Endpoint.of("traces", settings)
    assert found is not None
    assert (found.url, found.protocol) == (url, protocol)
    for variable in ("grpc", "http/protobuf"):
        settings = read({"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": variable})
        found = Endpoint.of("metrics", settings)
        assert found is not None
        assert found.protocol == variable


def test_variables_of_one_signal_win() -> None:
    """The endpoint and protocol of one signal come before those of all."""
    settings = read(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4317",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs:4318/v1/logs",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        }
    )
    found = {}
    for signal in ("traces", "metrics", "logs"):
        endpoint = Endpoint.of(signal, settings)
        assert endpoint is not None
        found[signal] = (endpoint.url, endpoint.protocol)
    assert found == {
        "traces": ("http://all:4317", "grpc"),
        "metrics": ("http://all:4317", "http/protobuf"),
        "logs": ("http://logs:4318/v1/logs", "http/protobuf"),
    }


GENERAL, OF_LOGS = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
NOWHERE = "so nothing is sent there"
WRONG = {
    "localhost:4318": f"has no scheme, {NOWHERE}; set {{0}}=http://localhost:4318",
    "'http://collector:4318'": f"is in quotes, {NOWHERE}; set {{0}}=http://collector:4318",
    "unix:///run/otlp.sock": f"is a Unix socket, {NOWHERE}; set {{0}}=http://HOST:PORT",
    "//collector": f"has no scheme, {NOWHERE}; set {{0}}=http://collector",
    "grpc://collector:4317": (
        f"has the scheme grpc, which is not http or https, {NOWHERE}; set {{0}}=http://collector:4317"
    ),
    "grpcs://collector:4317": (
        f"has the scheme grpcs, which is not http or https, {NOWHERE}; set {{0}}=https://collector:4317"
    ),
    "http://localhost:port": f"is not an address (its port is not a number below 65536), {NOWHERE}",
    "http://localhost:99999": f"is not an address (its port is not a number below 65536), {NOWHERE}",
    "http://[::1": f"is not an address (Invalid IPv6 URL), {NOWHERE}",
    "http://": f"has no host, {NOWHERE}",
    "http://collector..svc:4317": f"is not an address (a part of its host is empty or too long), {NOWHERE}",
}


@pytest.mark.parametrize("variable", [GENERAL, OF_LOGS])
@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_address_is_named(url: str, variable: str) -> None:
    """An address that cannot be one is an error that names the variable it stands in, and the fix."""
    settings = read({variable: url, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://another:4318"})
    with pytest.raises(ValueError, match="nothing is sent") as raised:
        Endpoint.of("logs", settings)
    assert str(raised.value) == f"{variable}={url!r} {WRONG[url]}".format(variable)


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"])
def test_a_wrong_protocol_is_named(variable: str) -> None:
    """A protocol that there is not is an error that names the variable it stands in, and the fix."""
    settings = read({GENERAL: "http://localhost:4318", variable: "htpp"})
    with pytest.raises(ValueError, match="nothing is sent") as raised:
        Endpoint.of("logs", settings)
    assert str(raised.value) == (
        f"{variable}='htpp' is not one of grpc, http/protobuf, so nothing is sent; set {variable}=http/protobuf, "
        "or grpc for port 4317"
    )


WRONG_SETTINGS = {
    "localhost:4318": f"{GENERAL}='localhost:4318' has no scheme, {NOWHERE}; set {GENERAL}=http://localhost:4318\n",
    "http://127.0.0.1:4318": (
        "OTEL_EXPORTER_OTLP_PROTOCOL='http/json' is not one of grpc, http/protobuf, so nothing is sent; set "
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or grpc for port 4317\n"
    ),
}


@pytest.mark.parametrize("url", WRONG_SETTINGS)
def test_what_nothing_can_be_sent_with_is_one_line(url: str) -> None:
    """A wrong address or protocol is one line for all signals, and the job goes on."""
    finished = run(
        """
        import batchtel
        with batchtel.job("addressed"):
            print("worked")
        """,
        None,
        **_variables(url, OTEL_EXPORTER_OTLP_PROTOCOL="http/json"),
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "worked\n", WRONG_SETTINGS[url])


def test_headers_reach_the_collector(sink: Sink) -> None:
    """OTEL_EXPORTER_OTLP_HEADERS are on every request of all three signals."""
    succeed(
        """
        import batchtel
        with batchtel.job("headed"):
            pass
        """,
        sink,
        OTEL_EXPORTER_OTLP_HEADERS="x-tenant=shop",
    )
    assert {path for path, _ in sink.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert all(
        {name.lower(): value for name, value in headers.items()}["x-tenant"] == "shop" for headers in sink.headers
    )


def test_the_diagnosis_of_a_silent_port() -> None:
    """A port that accepts and sends nothing explains nothing, and the question does not last longer than its limit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = read({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}"})
        endpoint = Endpoint.of("traces", settings)
        assert endpoint is not None
        assert endpoint.diagnose(timeout=0.05) == ""
