"""A graceful stop of the collector: what it has acknowledged is in Prometheus."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from tests.support import file_sink
from tests.support.polling import until
from tests.support.program import Program, fetch

RUNS = 200


def _send(port: int, runs: int) -> None:
    """Send one run after the other, each acknowledged before the next."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for run in range(runs):
            point = {"asInt": "1", "timeUnixNano": str(time.time_ns()), "attributes": []}
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


@dataclass(frozen=True)
class Stack:
    """A collector, its Prometheus and a sink for spans and log records, none of them started."""

    collector: Program
    prometheus: Program
    otlp: int
    api: str
    sink: Callable[[], AbstractContextManager[file_sink.Sink]]

    def value(self, query: str) -> str | None:
        """Return the first value that Prometheus answers with, None without one."""
        answer = json.loads(fetch(f"{self.api}/api/v1/query?{urlencode({'query': query})}"))
        result = answer["data"]["result"]
        return str(result[0]["value"][1]) if result else None

    def delivered(self) -> str:
        """Wait for a total in Prometheus, and return it."""
        return until(
            "the runs to be in Prometheus after the stop",
            lambda: self.value("last_over_time(batch_job_runs_started_total[5m])"),
            20,
            self.collector.tail,
        )


@pytest.fixture(params=["exact", "stock"])
def stack(
    request: pytest.FixtureRequest,
    collector_program: Path,
    prometheus_program: Path,
    free_ports: Callable[[int], list[int]],
    tmp_path: Path,
) -> Stack:
    """The stack of one way to aggregate, with 5 s between two exports."""
    ports = free_ports(9)
    grpc, http, health = ports[6:]
    listeners = ("otlp_http", "otlp_grpc", "health", "metrics", "scrape")
    prometheus = f"http://127.0.0.1:{ports[5]}"
    overrides = {
        "aggregation": request.param,
        "listen": {key: f"127.0.0.1:{port}" for key, port in zip(listeners, ports, strict=False)},
        "prometheus": {"endpoint": f"{prometheus}/api/v1/write"},
        # Its own log records go to a store: without one it would end with 1 because of the last of them.
        "victorialogs": {"endpoint": f"http://127.0.0.1:{http}/otlp"},
        "jaeger": {"endpoint": f"127.0.0.1:{grpc}"},
        "queue": {"folder": str(tmp_path / "queue")},
        "export_interval": "5s",
    }
    configuration = tmp_path / "collector.yaml"
    configuration.write_text(render(load("local", overrides)), encoding="utf-8")
    (tmp_path / "prometheus.yaml").write_text("{}\n", encoding="utf-8")
    backend = Program(
        [
            prometheus_program,
            f"--config.file={tmp_path}/prometheus.yaml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{ports[5]}",
            "--web.enable-remote-write-receiver",
        ],
        tmp_path / "prometheus.log",
        f"{prometheus}/-/ready",
    )
    collector = Program(
        [collector_program, "--config", configuration],
        tmp_path / "collector.log",
        f"http://127.0.0.1:{ports[2]}/",
        {"BATCHTEL_BOOT": "1"},
    )
    sink = partial(file_sink.running, collector_program, tmp_path / "sink", grpc, http, health)
    return Stack(collector, backend, ports[0], prometheus, sink)


def test_a_graceful_stop_delivers_what_was_acknowledged(stack: Stack) -> None:
    """Runs that end within a part of an export interval are delivered at the stop: by the last emission or read."""
    with stack.prometheus, stack.sink():
        with stack.collector as collector:
            # The sends fit between this first export and the next one, 5 s later.
            # A deprecated name or setting would be a line.
            assert collector.log.read_text(encoding="utf-8") == ""
            until("the first export", lambda: stack.value('up{job=~"batchtel|otelcol"}'), 30, collector.tail)
            _send(stack.otlp, RUNS)
        assert collector.exit_code == 0, collector.tail()
        assert stack.delivered() == str(RUNS)


@pytest.mark.parametrize("stack", ["exact"], indirect=True)
def test_a_stop_without_prometheus_keeps_what_was_acknowledged(stack: Stack) -> None:
    """The totals are on disk: the next start continues them, and exports what the stop could not."""
    with stack.sink():
        with stack.collector:
            _send(stack.otlp, RUNS)
        with stack.prometheus, stack.collector:
            assert stack.delivered() == str(RUNS)
            _send(stack.otlp, RUNS)
        with stack.prometheus:
            assert stack.delivered() == str(2 * RUNS)
