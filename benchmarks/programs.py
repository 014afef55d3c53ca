"""Programs that the measured jobs talk to: a real collector that forgets everything, a Pushgateway, dead addresses."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchtel.cli.main import Failure
from batchtel_stack import children, output, readiness
from batchtel_stack.binaries import COLLECTOR
from batchtel_stack.build import ensure
from batchtel_stack.ports import HOST, Ports

READY_SECONDS: Final = 30.0

OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks loopback addresses, which a proxy of the environment must not be asked for."""

_SINK: Final = """\
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "{host}:{grpc}"}}, http: {{endpoint: "{host}:{http}"}}}}}}}}
exporters: {{debug: {{verbosity: basic}}}}
extensions: {{health_check: {{endpoint: "{host}:{health}"}}}}
service:
  extensions: [health_check]
  telemetry:
    logs: {{level: error}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: "{host}", port: {metrics}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
    metrics: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
"""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where OTLP goes: URLs for OTEL_EXPORTER_OTLP_ENDPOINT by protocol, `http/protobuf` or `grpc`."""

    http: str
    grpc: str

    def variables(self, protocol: str) -> dict[str, str]:
        """Return the environment of a job that sends there."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.grpc if protocol == "grpc" else self.http,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_SERVICE_NAME": "benchmark",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=benchmark",
        }


@dataclass(frozen=True, slots=True)
class Sink(Endpoints):
    """A running sink, with the address of its own metrics."""

    metrics: str

    def require_spans(self, number: int) -> None:
        """Do nothing if the sink has accepted `number` spans: a job that lost its own did less than is measured.

        Raises:
            Failure: it has accepted another number (exit code 1).
        """
        with OPENER.open(self.metrics, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        accepted = sum(float(line.split()[-1]) for line in lines if line.startswith("otelcol_receiver_accepted_spans"))
        if accepted != number:
            raise Failure(f"{accepted:.0f} of {number} spans have arrived, so the jobs did not do what is measured", 1)


@contextmanager
def program(name: str, command: Sequence[str | Path], ready: str, folder: Path) -> Iterator[int]:
    """Run a program for the length of the block, as soon as `ready` answers 200; yields its process id.

    Raises:
        Failure: it ended, or did not answer within 30 s; with its last lines (exit code 3).
    """
    log = output.fresh(folder, name)
    with log.open("wb") as file:
        child = children.start(command, output=file, folder=folder)
    try:
        _await(name, child, ready, log)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(name: str, child: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    begun = time.monotonic()
    while (answer := readiness.answer_of(ready)) != "200":
        if child.poll() is not None or time.monotonic() - begun > READY_SECONDS:
            how = f"ended with {child.returncode}" if child.returncode is not None else f"answers {answer} at {ready}"
            raise Failure(f"{name} is not ready after {READY_SECONDS:.0f} s: it {how}.\n{output.quoted(log, 15)}", 3)
        time.sleep(0.05)


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """Run the collector as a sink for the length of the block: it accepts all signals and drops them."""
    binary = ensure([COLLECTOR])["collector"]
    ports = Ports.free()
    configuration = folder / "sink.yaml"
    configuration.write_text(
        _SINK.format(
            host=HOST,
            grpc=ports.otlp_grpc,
            http=ports.otlp_http,
            health=ports.collector_health,
            metrics=ports.collector_metrics,
        )
    )
    ready = f"http://{HOST}:{ports.collector_health}"
    with program("sink", [binary, "--config", configuration], ready, folder):
        yield Sink(
            f"http://{HOST}:{ports.otlp_http}",
            f"http://{HOST}:{ports.otlp_grpc}",
            f"http://{HOST}:{ports.collector_metrics}/metrics",
        )


def refused() -> Endpoints:
    """Return an address where nothing listens."""
    url = f"http://{HOST}:{Ports.free().otlp_http}"
    return Endpoints(url, url)


@contextmanager
def hanging() -> Iterator[Endpoints]:
    """Listen for the length of the block, and never answer: the kernel accepts the connections, no process reads."""
    with socket.create_server((HOST, 0), backlog=512) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        yield Endpoints(url, url)
