"""A stop of the collector while no store answers: its duration, and what is delivered afterwards."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import detail
from tests.pipeline.conftest import Prometheus, Start
from tests.support import otlp
from tests.support.polling import until

RUNS = 100

GRACE = 90
"""Seconds that the rendered manifests grant a stop: terminationGracePeriodSeconds, stop_grace_period."""


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_stop_with_every_store_away(
    start: Start, prometheus: Prometheus, free_ports: Callable[[int], list[int]], tmp_path: Path, how: str
) -> None:
    """It ends within its grace, and what it acknowledged is delivered after its next start."""
    namespace = f"away {how}"
    ports = free_ports(3)
    queue = {"queue": {"folder": str(tmp_path / "queue")}, "instance": f"away-{how}"}
    away = {
        "prometheus": {"endpoint": f"http://127.0.0.1:{ports[0]}/api/v1/write"},
        "loki": {"endpoint": f"http://127.0.0.1:{ports[1]}/otlp"},
        "tempo": {"endpoint": f"127.0.0.1:{ports[2]}"},
    }
    with ExitStack() as sockets:
        if how == "hangs":
            for port in ports:
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
        with start(queue | away) as bench:
            for number in range(RUNS):
                for body in _detail(namespace, number):
                    assert bench.send(body)[0] == 200
            until("an export that is tried", lambda: bench.telemetry().value("otelcol_exporter_queue_size") or None, 30)
            time.sleep(5)  # several export intervals, so that remote write has a full queue
            begun = time.monotonic()
            # 1 where the store of its own log records does not accept the last of them.
            assert bench.program.end(GRACE) in (0, 1), bench.program.tail()
            took = time.monotonic() - begun
    assert took < GRACE * 0.8
    with start(queue) as bench:
        sink = bench.sink

        def arrived() -> tuple[int, int] | None:
            found = len(detail.spans(sink.spans, namespace)), len(detail.logs(sink.logs, namespace, 0))
            return found if min(found) >= RUNS else None

        delivered = until(f"{RUNS} spans and log records", arrived, 60, bench.program.tail)
        assert delivered == (RUNS, RUNS)
        counted = f'sum(batch_job_runs_started_total{{job="{namespace}/etl"}}) == {RUNS}'
        until(counted, lambda: prometheus.query(counted) or None, 30, bench.program.tail)


def _detail(namespace: str, number: int) -> Iterator[dict[str, Any]]:
    resource = {"service.name": "etl", "service.namespace": namespace}
    span = {"name": f"span {number}", "traceId": "3" * 32, "spanId": f"{number + 1:016x}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [{"asInt": "1"}]}
    for signal, item in (
        ("spans", span),
        ("logs", {"body": {"stringValue": f"line {number}"}}),
        ("metrics", {"name": "batch.job.runs.started", "sum": total}),
    ):
        yield otlp.expand(otlp.request(resource, {}, signal, [item]), 0, 0, namespace)
