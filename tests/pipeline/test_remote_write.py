"""Remote write through faults of a real Prometheus: counters lose nothing, since every export repeats the totals."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Prometheus, Start
from tests.pipeline.remote_write import Door, door
from tests.support import otlp
from tests.support.polling import until
from tests.support.program import Program

NAMESPACE = "faults"
JOBS = 5


class Fault:
    """A collector that writes every second to a Prometheus which can be stopped, and a ledger of what jobs did."""

    def __init__(self, start: Start, program: Path, folder: Path, port: int) -> None:
        self._program = program
        self._folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.prometheus = Prometheus(self.url)
        self._stack = ExitStack()
        self._running = ExitStack()
        (folder / "prometheus.yaml").write_text("{}")
        self.begin()
        self.door: Door = self._stack.enter_context(door(self.url))
        self.bench: Bench = self._stack.enter_context(start({"prometheus": {"endpoint": self.door.url}}))
        self.runs = 0

    def begin(self) -> None:
        """Start Prometheus, with the data that it had."""
        command: list[str | Path] = [self._program, f"--config.file={self._folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        command += ["--web.enable-remote-write-receiver", "--web.enable-otlp-receiver", "--log.level=warn"]
        self.program = self._running.enter_context(
            Program(command, self._folder / "prometheus.log", f"{self.url}/-/ready")
        )

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()
        self._running.close()

    def run(self, seconds: float) -> None:
        """Let runs of each job end, one after the other, for some seconds; each is acknowledged."""
        ends = time.monotonic() + seconds
        while True:
            for job in range(JOBS):
                assert self.bench.send(_completion(f"job_{job}"))[0] == 200
            self.runs += 1
            if time.monotonic() > ends:
                return

    def settle(self, seconds: float = 60) -> None:
        """Wait until Prometheus has counted every run of every job."""
        query = f'batch_job_completions_total{{job="{NAMESPACE}/etl"}}'
        wanted = {f"job_{job}": float(self.runs) for job in range(JOBS)}
        until(
            f"{self.runs} runs of each job in Prometheus",
            lambda: True if self.prometheus.values(query, "job_name") == wanted else None,
            seconds,
            lambda: f"{self.prometheus.values(query, 'job_name')}\n{self.bench.program.tail(5)}",
        )


def _completion(job: str) -> dict[str, Any]:
    point = {"attributes": {"job_name": job, "job_type": "batch", "status": "success"}, "asInt": "1"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "batch.job.completions", "unit": "{run}", "sum": total}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body: dict[str, Any] = otlp.expand(otlp.request(resource, {}, "metrics", [metric]), 0, 0, NAMESPACE)
    return body


@pytest.fixture
def fault(
    start: Start, prometheus_program: Path, tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> Iterator[Fault]:
    """A collector and a Prometheus of their own, to which runs were written before anything fails."""
    one = Fault(start, prometheus_program, tmp_path, free_ports(1)[0])
    try:
        one.run(1)
        one.settle()
        yield one
    finally:
        one.close()


LONG = pytest.mark.faults


@pytest.mark.parametrize("seconds", [5, pytest.param(300, marks=[LONG, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_an_outage(fault: Fault, how: signal.Signals, seconds: float) -> None:
    """Prometheus ends, is away for a while and comes back with its data: every run is counted."""
    fault.program.stop(how)
    fault.run(seconds)
    fault.begin()
    fault.run(1)
    fault.settle(180)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=LONG)])
@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_answer_that_is_an_error(fault: Fault, status: int, seconds: float) -> None:
    """Whether the exporter gives a request up (400, 429) or tries again (500), the next ones bring the totals."""
    before = fault.door.refused
    fault.door.status = status
    fault.run(seconds)
    until("two requests to be refused", lambda: True if fault.door.refused >= before + 2 else None, 30)
    fault.door.status = 0
    fault.run(1)
    fault.settle()


def test_one_bad_sample(fault: Fault) -> None:
    """One sample that is out of order loses whole requests (400) until its time has come; then nothing is missing."""
    fault.run(0)
    _write_ahead(fault, 6)
    refused = "otelcol_exporter_send_failed_metric_points"
    fault.run(2)
    until(
        "remote writes to be refused",
        lambda: True if fault.bench.telemetry().value(refused) > 0 else None,
        30,
        fault.bench.program.tail,
    )
    log = fault.bench.program.log.read_text()
    assert "out of order sample" in log
    fault.run(1)
    fault.settle()


def _write_ahead(fault: Fault, seconds: int) -> None:
    """Write a sample of a series of the collector `seconds` ahead, by Prometheus' own OTLP receiver."""
    attributes = {"job_name": "job_0", "job_type": "batch", "status": "success"}
    point = {"attributes": attributes, "asInt": "0", "timeUnixNano": str(time.time_ns() + seconds * 10**9)}
    metric = {"name": "batch_job_completions_total", "gauge": {"dataPoints": [point]}}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE, "service.instance.id": fault.bench.shard}
    body = otlp.expand(otlp.request(resource, {}, "metrics", [metric]), 0, 0, "")
    address = f"{fault.url}/api/v1/otlp/v1/metrics"
    request = urllib.request.Request(address, otlp.encoded(body, otlp.PROTOBUF), {"Content-Type": otlp.PROTOBUF})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    found = fault.prometheus.query('count_over_time(batch_job_completions_total{job_name="job_0"}[1m] offset -1m)')
    assert len(found) == 1, json.dumps(found)


def test_requests_are_bounded(start: Start, prometheus: Prometheus) -> None:
    """However many series there are, no request of remote write is larger than its bound."""
    with ExitStack() as stack:
        opened = stack.enter_context(door(prometheus.write.removesuffix("/api/v1/write")))
        bench = stack.enter_context(start({"prometheus": {"endpoint": opened.url}}))
        for number in range(20):
            assert bench.send(_durations(number * 100, 100))[0] == 200
        selector = f'count(batch_job_duration_seconds_count{{instance="{bench.shard}"}}) == 2000'
        until("2,000 histograms in Prometheus", lambda: prometheus.query(selector) or None, 60, bench.program.tail)
    assert max(opened.sizes) <= 3_000_000
    assert len([size for size in opened.sizes if size > 100_000]) >= 2


def _durations(first: int, count: int) -> dict[str, Any]:
    """Return one request with a histogram of each of `count` jobs with long names."""
    bounds = [0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 86400, 604800]
    points = [
        {
            "attributes": {"job_name": f"{'long-' * 20}{number}", "job_type": "batch", "status": "success"},
            "count": "1",
            "sum": 1,
            "explicitBounds": bounds,
            "bucketCounts": [0, 0, 1, *[0] * 13],
        }
        for number in range(first, first + count)
    ]
    metric = {"name": "batch.job.duration", "histogram": {"aggregationTemporality": 1, "dataPoints": points}}
    body: dict[str, Any] = otlp.expand(otlp.request({"service.name": "etl"}, {}, "metrics", [metric]), 0, 0, "")
    return body
