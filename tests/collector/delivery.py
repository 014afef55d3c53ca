"""A collector with a Prometheus of its own: runs are sent to one, and totals are read from the other."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from batchtel_dashboards import rules
from tests.support import file_sink
from tests.support.program import Program, fetch

INTERVAL = 5
"""Seconds between two exports."""


@dataclass(frozen=True)
class Delivery:
    """Programs that are not started: Prometheus with batchtel's rules, a sink for spans and log records, collectors."""

    program: Path
    folder: Path
    prometheus: Program
    sink: Callable[[], AbstractContextManager[file_sink.Sink]]
    overrides: Mapping[str, Any]

    @classmethod
    def of(cls, collector: Path, prometheus: Path, ports: list[int], folder: Path) -> Delivery:
        """Make one of nine free ports and an empty folder."""
        listeners = ("otlp_http", "otlp_grpc", "health", "metrics", "scrape")
        api = f"http://127.0.0.1:{ports[5]}"
        grpc, http, health = ports[6:]
        overrides = {
            "listen": {key: f"127.0.0.1:{port}" for key, port in zip(listeners, ports, strict=False)},
            "prometheus": {"endpoint": f"{api}/api/v1/write"},
            # Its own log records go to a store: without one it would end with 1 because of the last of them.
            "victorialogs": {"endpoint": f"http://127.0.0.1:{http}/otlp"},
            "jaeger": {"endpoint": f"127.0.0.1:{grpc}"},
            "queue": {"folder": str(folder / "queue")},
            "export_interval": f"{INTERVAL}s",
        }
        (folder / "prometheus.yaml").write_text(
            f"global: {{evaluation_interval: 1s}}\nrule_files: [{rules.path()}]\n", encoding="utf-8"
        )
        backend = Program(
            [
                prometheus,
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address={api.removeprefix('http://')}",
                "--web.enable-remote-write-receiver",
            ],
            folder / "prometheus.log",
            f"{api}/-/ready",
        )
        sink = partial(file_sink.running, collector, folder / "sink", grpc, http, health)
        return cls(collector, folder, backend, sink, overrides)

    def collector(self, aggregation: str, boot: int = 1, **more: Any) -> Program:
        """Return a collector of the environment `local`, with `more` merged into it."""
        name = f"collector-{aggregation}-{boot}"
        configuration = self.folder / f"{name}.yaml"
        text = render(load("local", {**self.overrides, **more, "aggregation": aggregation}))
        configuration.write_text(text, encoding="utf-8")
        return Program(
            [self.program, "--config", configuration],
            self.folder / f"{name}.log",
            f"http://{self.overrides['listen']['health']}/",
            {"BATCHTEL_BOOT": str(boot)},
        )

    def send(self, runs: int, job: str = "nightly") -> None:
        """Send one run after the other, each acknowledged before the next."""
        with closing(http.client.HTTPConnection(self.overrides["listen"]["otlp_http"], timeout=10)) as connection:
            for run in range(runs):
                label = {"key": "job_name", "value": {"stringValue": job}}
                point = {"asInt": "1", "timeUnixNano": str(time.time_ns()), "attributes": [label]}
                metric = {
                    "name": "batch.job.runs.started",
                    "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]},
                }
                resource = {"attributes": [{"key": "run_id", "value": {"stringValue": str(run)}}]}
                body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
                connection.request("POST", "/v1/metrics", json.dumps(body), {"Content-Type": "application/json"})
                with connection.getresponse() as response:
                    assert response.status == 200, response.read()
                    response.read()

    def series(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that Prometheus answers with."""
        api = self.overrides["prometheus"]["endpoint"].removesuffix("/write")
        answer = json.loads(fetch(f"{api}/query?{urlencode({'query': query})}"))
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def value(self, query: str) -> float | None:
        """Return the first value that Prometheus answers with, None without one."""
        found = self.series(query)
        return found[0][1] if found else None
