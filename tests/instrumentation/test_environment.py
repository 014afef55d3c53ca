"""The environment is read when the run starts; what a job makes of it later neither loses nor redirects anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from batchtel.export.proxy import proxy_of
from tests.instrumentation.delivery import grpc_sink
from tests.support.process import run, succeed
from tests.support.sink import Sink

CHANGES = {
    "cleared": "os.environ.clear()",
    "redirected": "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9'",
    "redirected by signal": """
for signal in ('TRACES', 'METRICS', 'LOGS'):
    os.environ[f'OTEL_EXPORTER_OTLP_{signal}_ENDPOINT'] = 'http://127.0.0.1:9'
""",
    "removed": "del os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']",
    "proxied": "os.environ['HTTP_PROXY'] = os.environ['all_proxy'] = 'http://127.0.0.1:9'",
    "another protocol": "os.environ['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'grpc'",
    "another service": "os.environ['OTEL_SERVICE_NAME'] = 'other'; os.environ['OTEL_RESOURCE_ATTRIBUTES'] = 'a=b'",
    "certificates and headers": """
os.environ['OTEL_EXPORTER_OTLP_CERTIFICATE'] = os.environ['REQUESTS_CA_BUNDLE'] = '/nowhere'
os.environ['OTEL_EXPORTER_OTLP_HEADERS'] = 'x-second=other,x-third=new'
os.environ['OTEL_EXPORTER_OTLP_COMPRESSION'] = 'rar'
os.environ['OTEL_EXPORTER_OTLP_TIMEOUT'] = 'soon'
""",
}

JOB = """
import os, sys, batchtel
with batchtel.job("changing") as job:
    job.records(processed=1)
    exec(sys.argv[1])
    if (child := os.fork()) == 0:
        job.records(processed=10)
        batchtel.flush(20)
        os._exit(0)
    os.waitpid(child, 0)
with batchtel.job("later"):
    pass
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.compatible(
    "Processes",
    "a job that clears or changes its environment",
    "all, at the endpoint that the run started with",
)
def test_a_change_of_the_environment_changes_nothing(sink: Sink, change: str, protocol: str) -> None:
    """All arrives where the run was to send it when it started, of a later run and of a forked child, too."""
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-first=one%20two,x-second=2",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,owner=A%20B",
    }
    if protocol == "grpc":
        with grpc_sink.running() as (receiver, _):
            succeed(JOB, receiver, CHANGES[change], **variables)
    else:
        receiver = sink
        succeed(JOB, receiver, CHANGES[change], **variables)
        headers = [{name.lower(): value for name, value in request.items()} for request in receiver.headers]
        assert {(sent["x-first"], sent["x-second"], sent.get("x-third")) for sent in headers} == {
            ("one two", "2", None)
        }
    assert receiver.total("batch.job.completions", status="success") == 2
    assert receiver.total("batch.job.records.processed", job_name="changing") == 11
    assert len(receiver.events("batch.run.finished")) == 2
    assert {(span.resource["service.name"], span.resource["owner"]) for span in receiver.spans()} == {("shop", "A B")}


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_none_switches_a_signal_off(sink: Sink, signal: str) -> None:
    """`none` for one signal sends nothing of it, logs nothing, and leaves the others."""
    script = """
        import logging, batchtel
        with batchtel.job("partly"), batchtel.step("inner"):
            logging.getLogger("load").warning("loaded")
        """
    finished = run(script, sink, **{f"OTEL_{signal.upper()}_EXPORTER": "none"})
    assert (finished.code, finished.stderr) == (0, "loaded\n")
    assert {path for path, _ in sink.requests} == {f"/v1/{other}" for other in ("traces", "metrics", "logs")} - {
        f"/v1/{signal}"
    }


def test_none_for_all_is_silent(sink: Sink) -> None:
    """With nothing to send there is nothing to warn of, with an endpoint or without."""
    off = {f"OTEL_{signal}_EXPORTER": "None" for signal in ("TRACES", "METRICS", "LOGS")}
    for receiver in (sink, None):
        succeed("import batchtel\nwith batchtel.job('off'):\n    pass", receiver, **off)
    assert sink.headers == []


def test_another_exporter_is_one_warning(sink: Sink) -> None:
    """It is sent by OTLP all the same; a list with `otlp` in it, or an exporter for OTLP, is as asked."""
    script = "import batchtel\nfor _ in range(2):\n    with batchtel.job('other'):\n        pass"
    finished = run(script, sink, OTEL_TRACES_EXPORTER="zipkin", OTEL_METRICS_EXPORTER="console,otlp")
    assert (finished.code, finished.stderr) == (
        0,
        "OTEL_TRACES_EXPORTER=zipkin is not an exporter of batchtel, which sends traces by OTLP anyway; set "
        "OTEL_TRACES_EXPORTER=none to send none\n",
    )
    assert len(sink.spans()) == 2
    with grpc_sink.running() as (receiver, _):
        by_name = {f"OTEL_{signal}_EXPORTER": "otlp_proto_grpc" for signal in ("TRACES", "METRICS", "LOGS")}
        succeed(script, receiver, **by_name)
        assert receiver.total("batch.job.completions") == 2


PROXIES = {"http": "http://proxy:3128", "no": "localhost,10.0.0.0/8,.internal,collector:4318"}


@pytest.mark.parametrize(
    ("url", "proxies", "expected"),
    [
        ("http://example.com:4318", PROXIES, "http://proxy:3128"),
        ("https://example.com:4318", PROXIES, ""),
        ("https://example.com:4318", {"all": "http://proxy:1"}, "http://proxy:1"),
        ("http://localhost:4318", PROXIES, ""),
        ("http://10.1.2.3:4318", PROXIES, ""),
        ("http://11.1.2.3:4318", PROXIES, "http://proxy:3128"),
        ("http://otel.internal:4318", PROXIES, ""),
        ("http://collector:4318", PROXIES, ""),
        ("http://collector:4319", PROXIES, "http://proxy:3128"),
        ("http://example.com", {**PROXIES, "no": "*"}, ""),
        ("http://example.com", {}, ""),
    ],
)
def test_proxies_are_those_of_requests(
    monkeypatch: pytest.MonkeyPatch, url: str, proxies: Mapping[str, str], expected: str
) -> None:
    """The proxy is the one that requests would find in the same environment."""
    from requests.utils import get_environ_proxies, select_proxy

    assert proxy_of(url, proxies) == expected
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for scheme, proxy in proxies.items():
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
    assert (select_proxy(url, get_environ_proxies(url)) or "") == expected


def test_a_missing_certificate_is_one_line_and_one_at_the_end(free_ports: Callable[[int], list[int]]) -> None:
    """No stack trace, whichever protocol: both name the file, and the job goes on."""
    for protocol in ("grpc", "http/protobuf"):
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{free_ports(1)[0]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "BATCHTEL_EXIT_TIMEOUT": "1",
        }
        finished = run("import batchtel\nwith batchtel.job('untrusting'):\n    pass", None, **variables)
        assert (finished.code, finished.stdout) == (0, "")
        failing, end = finished.stderr.splitlines()
        assert failing.startswith("cannot send telemetry to ")
        assert "/nowhere/ca.pem" in failing
        assert end.startswith("batchtel: ")
        assert "lost: " in end
        assert "/nowhere/ca.pem" in end
