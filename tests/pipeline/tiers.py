"""Agents and gateways of the bench: real collectors that speak TLS to each other and ask for a token."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from tests.pipeline.bench import Listen, bench_page
from tests.pipeline.telemetry import Telemetry
from tests.support import certificates, otlp
from tests.support.file_sink import Sink
from tests.support.program import Program

TOKEN = "a-token-of-the-bench"
"""What agents show to gateways; it comes to them by a variable, and to the gateways by a file."""


@dataclass
class Tiers:
    """Where agents and gateways of one test live, and what they have in common.

    Attributes:
        program: the collector.
        folder: everything that they write.
        free_ports: returns ports without a listener.
        sink: where log records and spans end.
        prometheus: remote-write address of a real Prometheus.
    """

    program: Path
    folder: Path
    free_ports: Callable[[int], list[int]]
    sink: Sink
    prometheus: str
    _listen: dict[str, Listen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        certificates.issue(self.folder)
        (self.folder / "token").write_text(TOKEN)

    def listen(self, name: str) -> Listen:
        """Return the ports of a collector, which stay over its restarts."""
        if name not in self._listen:
            self._listen[name] = Listen(*self.free_ports(5))
        return self._listen[name]

    def gateway(self, name: str, boot: str = "1") -> Program:
        """Return a gateway, to be started; `boot` distinguishes its starts."""
        return self._collector(
            name,
            "gateway",
            {
                "tls": {"certificate": str(self.folder / "tls.crt"), "key": str(self.folder / "tls.key")},
                "token": str(self.folder / "token"),
                "prometheus": {"endpoint": self.prometheus},
                "loki": {"endpoint": self.sink.loki},
                "tempo": {"endpoint": self.sink.tempo},
                "victorialogs": None,
                "jaeger": None,
            },
            {"BATCHTEL_BOOT": boot},
        )

    def agent(self, gateways: Sequence[str], draining: Sequence[str] = (), token: str = TOKEN) -> Program:
        """Return the one agent, to be started; it keeps its queue over restarts."""

        def addresses(names: Sequence[str]) -> list[str]:
            return [f"127.0.0.1:{self.listen(name).otlp_grpc}" for name in names]

        section = {
            "endpoints": addresses(gateways),
            "draining": addresses(draining),
            "token": "${env:BENCH_TOKEN}",
            "ca": str(self.folder / "ca.crt"),
        }
        overrides = {"gateways": section, "prometheus": {"endpoint": self.prometheus}}
        return self._collector("agent", "agent", overrides, {"BENCH_TOKEN": token})

    def _collector(self, name: str, role: str, overrides: Mapping[str, Any], variables: Mapping[str, str]) -> Program:
        listen = self.listen(name)
        common: dict[str, Any] = {
            "listen": {key: f"127.0.0.1:{port}" for key, port in vars(listen).items()},
            "queue": {"folder": str(self.folder / name / "queue")},
            "airflow_metrics": True,
            "export_interval": "1s",
            "instance": name,
        }
        if role == "gateway":
            common["exporters"] = bench_page(f"127.0.0.1:{listen.scrape}")
        (self.folder / name).mkdir(exist_ok=True)
        file = self.folder / name / "collector.yaml"
        file.write_text(render(load("local", {**common, **overrides}, role)), encoding="utf-8")
        log = self.folder / f"{name}.log"
        ready = f"http://127.0.0.1:{listen.health}"
        return Program([self.program, "--config", file], log, ready, {**os.environ, **variables})

    def are_queues_empty(self, *names: str) -> bool:
        """Return whether no exporter of these collectors has anything that is not acknowledged."""
        readings = [Telemetry(self.listen(name).metrics, []) for name in names]
        return not any(reading.value("otelcol_exporter_queue_size") for reading in readings)

    def send(self, namespace: str, job: str, runs: int) -> None:
        """Let `runs` runs of a job end at the agent: a completion, a log record and a span each, all acknowledged."""
        send(self.listen("agent").otlp_http, namespace, job, runs)


def send(port: int, namespace: str, job: str, runs: int) -> None:
    """Send a completion, a log record and a span for each of `runs` runs, each acknowledged before the next."""
    with closing(otlp.Sender(port)) as sender:
        for _ in range(runs):
            for body in _run(namespace, job):
                status, answer = sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)
                assert status == 200, (status, answer)


def _run(namespace: str, job: str) -> list[dict[str, Any]]:
    attributes = {"job_name": job, "job_type": "batch", "status": "success", "run_id": os.urandom(8).hex()}
    point = {"attributes": attributes, "asInt": "1", "timeUnixNano": "{now}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    record = {"body": {"stringValue": job}, "attributes": {"batch.job.name": job}, "timeUnixNano": "{now}"}
    span = {"name": job, "traceId": os.urandom(16).hex(), "spanId": os.urandom(8).hex()}
    span |= {"startTimeUnixNano": "{now}", "endTimeUnixNano": "{now}"}
    resource = {"service.name": "etl", "service.namespace": namespace}
    return [
        otlp.expand(otlp.request(resource, {}, signal, items), int(time.time()), 0, namespace)
        for signal, items in (
            ("metrics", [{"name": "batch.job.completions", "unit": "{run}", "sum": total}]),
            ("logs", [record]),
            ("spans", [span]),
        )
    ]
