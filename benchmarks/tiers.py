"""Group `tiers`: CPU of an agent and a gateway for a data point, a span and a log record, and from how many writers.

The whole stack runs with a gateway as its collector, and one agent before it. Each run sends what a real one-shot job
has sent (see `recorded`), one signal after the other.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from batchtel.cli.main import Failure
from batchtel_collector.environment.load import load as load_environment
from batchtel_collector.render.configuration import render
from batchtel_stack import binaries
from batchtel_stack.ports import HOST, Ports, free
from batchtel_stack.stack import Stack
from benchmarks import crowd, load
from benchmarks.programs import OPENER
from benchmarks.recorded import METRICS, TRACES, Recorded, record
from benchmarks.report import Column, Report
from benchmarks.watched import Watched

RUNS: Final = 5_000
"""Runs that send data points; spans and log records, which go to disk in a transaction each, are a fifth."""

WRITERS: Final = (10, 100, 1_000, 10_000)
"""Writers at the same moment, each with a connection of its own."""

JOBS: Final = 5
LOGS: Final = "/v1/logs"
_PATIENCE: Final = 240.0
"""Longest wait in seconds until the gateway has all of a signal."""

_ARRIVED: Final = {
    METRICS: r"otelcol_processor_outgoing_items(?:_total)?\{[^}]*processor=\"transform/stamp\"[^}]*\}",
    TRACES: r"otelcol_exporter_sent_spans(?:_total)?\{[^}]*exporter=\"otlp_grpc/jaeger\"[^}]*\}",
    LOGS: r"otelcol_exporter_sent_log_records(?:_total)?\{[^}]*exporter=\"otlp_http/victorialogs\"[^}]*\}",
}
"""Path of a signal -> the gateway's own counter of what it has added up or delivered."""

_COLUMNS: Final = (
    Column("what", "", "text"),
    Column("items", "items", "count"),
    Column("items_per_cpu_s", "items / CPU s", "count"),
    Column("cpu_per_item_s", "CPU / item", "us"),
    Column("items_per_s", "items / s", "count"),
    Column("memory_bytes", "memory", "MiB"),
    Column("memory_peak_bytes", "highest", "MiB"),
    Column("disk_bytes", "queues on disk", "MiB"),
)


def measure(
    folder: Path,
    progress: Callable[[str], None],
    runs: int = RUNS,
    writers: tuple[int, ...] = WRITERS,
) -> Report:
    """Send each signal through agent and gateway, then data points from more and more writers at once."""
    report = Report("tiers", "Agent and gateway, by signal and by writers at the same moment", _COLUMNS)
    recorded = record()
    with _bench(folder, progress) as bench:
        for what, path, number in (
            ("data points", METRICS, runs),
            ("spans", TRACES, max(1, runs // 5)),
            ("log records", LOGS, max(1, runs // 5)),
        ):
            progress(f"{what} of {number:,} runs")
            report.rows.extend(bench.signal(what, path, recorded, number))
        for count in writers:
            if not crowd.affordable(count):
                report.notes.append(f"{count:,} writers need more open files than this machine allows (ulimit -Hn).")
                continue
            progress(f"{count:,} writers")
            report.rows.extend(bench.writers(recorded.metrics_only(), count))
    report.notes.append(
        "CPU: until the gateway has added up or delivered the last item. Every request is written to the agent's disk "
        "with fsync before it is acknowledged."
    )
    return report


@dataclass
class _Tier:
    name: str
    process: Watched
    queue: Path

    def row(self, what: str, items: int, cpu: float, seconds: float) -> dict[str, Any]:
        median, peak = self.process.pop_memory()
        return {
            "what": f"{what}: {self.name}",
            "items": items,
            "items_per_cpu_s": items / cpu,
            "cpu_per_item_s": cpu / items,
            "items_per_s": items / seconds,
            "memory_bytes": median,
            "memory_peak_bytes": peak,
            "disk_bytes": sum(file.stat().st_blocks * 512 for file in self.queue.rglob("*") if file.is_file()),
        }


@dataclass
class _Bench:
    agent: _Tier
    gateway: _Tier
    url: str
    metrics: str
    sent: int = 0

    def signal(self, what: str, path: str, recorded: Recorded, runs: int) -> list[dict[str, Any]]:
        """Send one signal of `runs` runs; return the row of the agent and that of the gateway."""
        only = Recorded(tuple(request for request in recorded.requests if request[0] == path), recorded.trace_id)
        first, self.sent = self.sent, self.sent + runs

        def send() -> None:
            load.send(only, self.url, range(first, first + runs), JOBS, lambda number: None)

        return self._measured(what, path, runs * _items(only, path), send)

    def writers(self, recorded: Recorded, count: int) -> list[dict[str, Any]]:
        """Let `count` writers send the data points of a run each, all at once."""
        first, self.sent = self.sent, self.sent + count
        bodies = [body for number in range(first, first + count) for _, body in recorded.run(number, number % JOBS)]
        return self._measured(
            f"{count:,} writers",
            METRICS,
            count * recorded.points,
            lambda: crowd.send_at_once(self.url, bodies),
        )

    def _measured(self, what: str, path: str, items: int, send: Callable[[], None]) -> list[dict[str, Any]]:
        tiers = (self.agent, self.gateway)
        for tier in tiers:
            tier.process.pop_memory()
        expected = self._arrived(path) + items
        before, begun = [tier.process.cpu() for tier in tiers], time.monotonic()
        send()
        seconds = time.monotonic() - begun
        while (seen := self._arrived(path)) < expected:
            if time.monotonic() - begun > _PATIENCE:
                raise Failure(f"the gateway has {seen:,.0f} of {expected:,.0f} {what} after {_PATIENCE:.0f} s", 3)
            time.sleep(0.1)
        return [
            # A tier that has worked less than a tick of the kernel's clock has worked a tick.
            tier.row(what, items, max(tier.process.cpu() - cpu, 0.01), seconds)
            for tier, cpu in zip(tiers, before, strict=True)
        ]

    def _arrived(self, path: str) -> float:
        with OPENER.open(self.metrics, timeout=30) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{_ARRIVED[path]} (\S+)$", text, re.MULTILINE))


def _items(recorded: Recorded, path: str) -> int:
    if path == METRICS:
        return recorded.points
    if path == TRACES:
        traces = [ExportTraceServiceRequest.FromString(body) for _, body in recorded.requests]
        return sum(len(scope.spans) for one in traces for block in one.resource_spans for scope in block.scope_spans)
    logs = [ExportLogsServiceRequest.FromString(body) for _, body in recorded.requests]
    return sum(len(scope.log_records) for one in logs for block in one.resource_logs for scope in block.scope_logs)


@contextmanager
def _bench(folder: Path, progress: Callable[[str], None]) -> Iterator[_Bench]:
    ports, overrides = Ports.free(), {"role": "gateway"}
    with Stack.running(folder / "stack", ports, export_interval="15s", overrides=overrides, notify=progress) as stack:
        pid = next(status.pid for status in stack.status() if status.name == "collector")
        assert pid is not None
        with (
            _agent(folder / "agent", ports, stack) as (process, url),
            Watched(process.pid) as agent,
            Watched(pid) as it,
        ):
            yield _Bench(
                _Tier("agent", agent, folder / "agent" / "queue"),
                _Tier("gateway", it, folder / "stack" / "collector" / "queue"),
                url,
                f"http://{HOST}:{ports.collector_metrics}/metrics",
            )


@contextmanager
def _agent(folder: Path, ports: Ports, stack: Stack) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run an agent that sends to the stack's gateway; yield its process and its OTLP address."""
    keys = ("otlp_grpc", "otlp_http", "health", "metrics", "scrape")
    listen = {key: f"{HOST}:{port}" for key, port in zip(keys, free(len(keys)), strict=True)}
    overrides = {
        "listen": listen,
        "gateways": {"endpoints": [f"{HOST}:{ports.otlp_grpc}"]},
        "prometheus": {"endpoint": f"{stack.prometheus}/api/v1/write"},
        "queue": {"folder": str(folder / "queue")},
        "instance": "agent-0",
    }
    folder.mkdir(parents=True)
    file = folder / "collector.yaml"
    file.write_text(render(load_environment("local", overrides, "agent")), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        command = [str(binaries.find("collector")), "--config", str(file)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ))
    try:
        _wait(process, f"http://{listen['health']}/", folder / "log")
        yield process, f"http://{listen['otlp_http']}"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    begun = time.monotonic()
    while True:
        try:
            with OPENER.open(url, timeout=5):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() - begun > 60:
                raise Failure(
                    f"the agent does not answer at {url}: {error}; its log ends with {log.read_text()[-500:]}", 3
                ) from None
            time.sleep(0.1)
