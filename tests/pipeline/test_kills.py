"""A collector that is killed: what it had acknowledged of spans, log records and metrics."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.pipeline import detail
from tests.pipeline.bench import Bench, Collector, Listen
from tests.pipeline.conftest import Prometheus, Start
from tests.support import file_sink, otlp
from tests.support.polling import until

NAMESPACE = "kills"
RECORDS = 200


def _send(bench: Bench, signal_name: str, item: dict[str, Any]) -> None:
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body = otlp.expand(otlp.request(resource, {}, signal_name, [item]), int(time.time()), 0, NAMESPACE)
    assert bench.send(body)[0] == 200


def test_what_waited_on_disk(
    collector_program: Path, tmp_path: Path, free_ports: Callable[[int], list[int]], prometheus: Prometheus
) -> None:
    """Loki and Tempo are away, the collector is killed: its next start delivers each record and each span once."""
    grpc, http, health = free_ports(3)
    folder = tmp_path / "sink"
    later = file_sink.Sink(
        f"http://127.0.0.1:{http}/otlp", f"127.0.0.1:{grpc}", folder / "logs.json", folder / "spans.json"
    )
    (tmp_path / "collector").mkdir()
    first = Collector(
        collector_program, tmp_path / "collector", Listen(*free_ports(5)), later, prometheus.write, boot="1"
    )
    with first.running(first.rendered({})) as bench:
        for number in range(RECORDS):
            _send(bench, "logs", {"body": {"stringValue": f"record {number}"}})
            _send(bench, "spans", {"name": f"span {number}", "traceId": "4" * 32, "spanId": f"{number + 1:016x}"})
        bench.program.stop(signal.SIGKILL)
    second = replace(first, boot="2")
    with (
        file_sink.running(collector_program, folder, grpc, http, health),
        second.running(second.rendered({})) as bench,
    ):

        def arrived() -> tuple[Counter[str], Counter[str]] | None:
            records = Counter(str(record["body"]) for record in detail.logs(later.logs, NAMESPACE, bench.now))
            spans = Counter(str(span["name"]) for span in detail.spans(later.spans, NAMESPACE))
            return (records, spans) if len(records) == len(spans) == RECORDS else None

        records, spans = until(f"{RECORDS} log records and spans", arrived, 60, bench.program.tail)
    assert set(records.values()) == set(spans.values()) == {1}


def test_what_was_in_flight(start: Start, tmp_path: Path) -> None:
    """The collector is killed while it delivers: nothing is lost, and what had no answer yet may be there twice."""
    queue = {"queue": {"folder": str(tmp_path / "queue")}}
    names = {f"in flight {number}" for number in range(RECORDS)}
    with start(queue) as bench:
        for name in sorted(names):
            _send(bench, "logs", {"body": {"stringValue": name}})
        bench.program.stop(signal.SIGKILL)
    with start(queue) as bench:

        def arrived() -> Counter[str] | None:
            records = Counter(str(record["body"]) for record in detail.logs(bench.sink.logs, NAMESPACE, bench.now))
            found = Counter({body: times for body, times in records.items() if body in names})
            return found if len(found) == RECORDS else None

        records = until(f"{RECORDS} log records", arrived, 60, bench.program.tail)
    assert set(records.values()) <= {1, 2}


def _completions(bench: Bench, job: str, seconds: float) -> list[float]:
    """Send completions of a job for some seconds; return the monotonic time of each acknowledgement."""
    sent: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        point = {"attributes": {"job_name": job, "job_type": "batch", "status": "success"}, "asInt": "1"}
        total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
        _send(bench, "metrics", {"name": "batch.job.completions", "unit": "{run}", "sum": total})
        sent.append(time.monotonic())
    return sent


def test_metrics_after_a_kill(start: Start, prometheus: Prometheus, tmp_path: Path) -> None:
    """With exact a kill loses no metric that was acknowledged: totals continue after the next start."""
    queue = {"queue": {"folder": str(tmp_path / "queue")}, "instance": "killed-0"}
    with start(queue) as bench:
        sent = len(_completions(bench, "continued", 3))
        bench.program.stop(signal.SIGKILL)
    with start(queue) as bench:
        sent += len(_completions(bench, "continued", 0.5))
        selector = f'batch_job_completions_total{{job="{NAMESPACE}/etl",job_name="continued"}}'
        until(
            f"{sent} completions in Prometheus",
            lambda: True if prometheus.values(selector, "instance") == {"killed-0": sent} else None,
            30,
            lambda: f"{prometheus.values(selector, 'instance')}\n{bench.program.tail()}",
        )
        assert prometheus.values(f"resets({selector}[5m])", "instance") == {"killed-0": 0}


def test_metrics_of_the_last_export(start: Start, prometheus: Prometheus) -> None:
    """With stock a kill loses what came within the last export interval and a second, and nothing before."""
    with start({"aggregation": "stock"}, boot="300") as bench:
        sent = _completions(bench, "killed", 6)
        ends = time.monotonic()
        bench.program.stop(signal.SIGKILL)
    # The bench's export interval is 1 s; another second is for a machine that is busy with other tests.
    safe = sum(moment < ends - 3 for moment in sent)
    selector = f'last_over_time(batch_job_completions_total{{job="{NAMESPACE}/etl",boot="300"}}[5m])'
    counted = sum(prometheus.values(selector, "job_name").values())
    assert 0 < safe <= counted <= len(sent)
