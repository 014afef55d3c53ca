"""The bench: one real collector with a rendered configuration, cases sent through it, and what came out of each.

All cases that share a configuration go through one process: each sends under a service.namespace of its own, so that
its series are distinct. Requests are sent one after the other, and the collector's own counters are
read before and after each case: everything up to the batch processor works before the request is answered.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render
from tests.pipeline import detail, exposition
from tests.pipeline.case import Named, Send
from tests.pipeline.telemetry import Telemetry
from tests.support import otlp
from tests.support.file_sink import Sink, lines
from tests.support.polling import until
from tests.support.program import Program, fetch

MARKER: Final = "marker"
"""service.namespace of the points that show that everything sent before them has come out."""

BOOT: Final = "7"
"""The label `boot` of every series of the bench."""


@dataclass(frozen=True)
class Listen:
    """The ports of one collector."""

    otlp_grpc: int
    otlp_http: int
    health: int
    metrics: int
    scrape: int


@dataclass
class Outcome:
    """What came of one case: failed answers, data points dropped, and everything that left the collector."""

    now: int
    answers: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    series: list[str] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)


class Bench:
    """A collector that runs; `Collector.running` starts one."""

    def __init__(self, listen: Listen, program: Program, sink: Sink, pipeline: Sequence[str], shard: str) -> None:
        self.listen = listen
        self.program = program
        self.shard = shard
        self.sink = sink
        self._pipeline = pipeline
        self.is_exact = "run_rollup" in pipeline
        self.now = int(time.time())
        self._sender = otlp.Sender(listen.otlp_http)
        self._markers = 0
        self._before = len(lines(sink.logs)), len(lines(sink.spans))

    def close(self) -> None:
        """Close the connection to the collector."""
        self._sender.close()

    def send(self, body: dict[str, Any], encoding: str = otlp.JSON) -> tuple[int, str]:
        """Send one OTLP request; return status and answer."""
        try:
            return self._sender.send(otlp.path(body), otlp.encoded(body, encoding), encoding)
        except OSError as error:
            raise RuntimeError(f"the collector does not answer: {error}\n{self.program.tail()}") from error

    def page(self) -> tuple[list[exposition.Sample], dict[str, str]]:
        """Return the samples and family types of the series endpoint."""
        return read_page(self.listen.scrape)

    def telemetry(self) -> Telemetry:
        """Return a reading of the collector's own metrics."""
        return Telemetry(self.listen.metrics, self._pipeline)

    def settle(self, detail_too: bool = False) -> None:
        """Wait until all that was sent before has come out; with `detail_too` log records and spans as well.

        Batches are handled one after the other, so a point that is sent after another one was seen proves, when it is
        seen itself, that the batch of the first one is done.
        """
        for _ in range(2):
            self._markers += 1
            self._mark(f"{self.shard}-{self._markers}", detail_too)

    def _mark(self, name: str, detail_too: bool) -> None:
        self.send(_marker(name))
        job = f"{MARKER}/{name}"
        until(f"{job} on the series endpoint", lambda: self._shows(job), 30, self.program.tail)
        if detail_too:
            self.send(otlp.expand(otlp.request({}, {}, "logs", [{"body": {"stringValue": name}}]), 0, 0, ""))
            self.send(otlp.expand(otlp.request({}, {}, "spans", [_span(name)]), 0, 0, ""))
            until(f"{name} among log records and spans", lambda: self.sink.has(name), 30, self.program.tail)

    def _shows(self, job: str) -> bool | None:
        samples, _ = self.page()
        return True if any(sample.label("job") == job for sample in samples) else None

    def run(self, cases: Sequence[Named]) -> dict[str, Outcome]:
        """Send all cases, phase by phase, and return what came of each."""
        outcomes = {named.name: Outcome(self.now) for named in cases}
        with_detail = any(named.case.logs or named.case.spans for named in cases)
        for phase in range(max(len(named.case.phases()) for named in cases)):
            for named in cases:
                if phase < len(named.case.phases()):
                    self._send(named, named.case.phases()[phase], outcomes[named.name])
            self.settle(with_detail)
        samples, types = self.page()
        for name, outcome in outcomes.items():
            outcome.series = exposition.lines(of_namespace(samples, name), types)
            outcome.logs = detail.logs(self.sink.logs, name, self.now, self._before[0])
            outcome.spans = detail.spans(self.sink.spans, name, self._before[1])
        return outcomes

    def _send(self, named: Named, sends: Sequence[Send], outcome: Outcome) -> None:
        before = self.telemetry().refused()
        for one in sends:
            for body in one.bodies(self.now, named.name, named.case.neighbours):
                status, answer = self.send(body, otlp.PROTOBUF if one.encoding == "protobuf" else otlp.JSON)
                if status != one.status:
                    outcome.answers.append(f"{status} instead of {one.status}: {answer}")
        outcome.refused += self.telemetry().refused() - before


def of_namespace(samples: Sequence[exposition.Sample], namespace: str) -> Iterator[exposition.Sample]:
    """Yield the samples whose label job is in `namespace`, with job shortened to the service's name."""
    for sample in samples:
        owner, _, service = sample.label("job").rpartition("/")
        if owner == namespace:
            labels = tuple((key, service if key == "job" else value) for key, value in sample.labels)
            yield exposition.Sample(sample.name, labels, sample.value)


def read_page(port: int) -> tuple[list[exposition.Sample], dict[str, str]]:
    """Return the samples and family types of a series endpoint, without what only one of the two pipelines shows."""
    samples, types = exposition.parse(fetch(f"http://127.0.0.1:{port}/metrics"))
    return [
        exposition.Sample(one.name, tuple(pair for pair in one.labels if pair[0] != "instance"), one.value)
        for one in samples
        if one.label("job") != "otelcol" and one.name != "target_info"
    ], types


def bench_page(address: str) -> dict[str, Any]:
    """Return one more exporter, which shows what leaves run_rollup as the pipeline `stock` shows its sums."""
    settings = {"endpoint": address, "metric_expiration": "1h", "without_scope_info": True}
    return {"prometheus/bench": {"signals": ["metrics"], "settings": settings}}


def _marker(name: str) -> dict[str, Any]:
    point = {"asInt": "1", "timeUnixNano": "{now}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "batch.job.runs.started", "sum": total}
    body = otlp.request({"service.name": name, "service.namespace": MARKER}, {}, "metrics", [metric])
    expanded: dict[str, Any] = otlp.expand(body, int(time.time()), 0, "")
    return expanded


def _span(name: str) -> dict[str, Any]:
    return {"name": name, "traceId": "1" * 32, "spanId": "1" * 16, "startTimeUnixNano": "1", "endTimeUnixNano": "2"}


@dataclass(frozen=True)
class Collector:
    """What a collector of the bench needs to start."""

    program: Path
    folder: Path
    listen: Listen
    sink: Sink
    prometheus: str
    boot: str = BOOT

    def rendered(self, more: Mapping[str, Any], role: Literal["standalone", "gateway"] = "standalone") -> str:
        """Return the rendered environment `local` on the bench, with `more` merged into it."""
        listen = {name: f"127.0.0.1:{port}" for name, port in vars(self.listen).items()}
        overrides: dict[str, Any] = {
            "listen": listen,
            "prometheus": {"endpoint": self.prometheus},
            "loki": {"endpoint": self.sink.loki},
            "tempo": {"endpoint": self.sink.tempo},
            "victorialogs": None,
            "jaeger": None,
            "queue": {"folder": str(self.folder / "queue")},
            "export_interval": "1s",
            "instance": self.folder.name,
        }
        if more.get("aggregation") != "stock":
            overrides["exporters"] = bench_page(listen["scrape"])
        return render(load("local", {**overrides, **more, "listen": {**listen, **more.get("listen", {})}}, role))

    @contextmanager
    def running(self, configuration: str) -> Iterator[Bench]:
        """Start the collector with this configuration text; stop it in the end."""
        file = self.folder / "collector.yaml"
        file.write_text(configuration, encoding="utf-8")
        pipeline = yaml.safe_load(configuration)["service"]["pipelines"]["metrics/in"]["processors"]
        command: list[str | Path] = [self.program, "--config", file]
        ready = f"http://127.0.0.1:{self.listen.health}"
        with (
            Program(command, self.folder / "collector.log", ready, {"BATCHTEL_BOOT": self.boot}) as started,
            closing(Bench(self.listen, started, self.sink, pipeline, self.folder.name)) as bench,
        ):
            yield bench
