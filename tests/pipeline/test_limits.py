"""What `exact` promises and `stock` does not, on one collector; more of it is in cases/limits and test_crash."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from tests.pipeline import exposition, writers
from tests.pipeline.bench import Bench, of_namespace
from tests.pipeline.conftest import NOT_STOCK, Prometheus, Start
from tests.support import otlp
from tests.support.polling import until

NAMESPACE = "limits"
OVERFLOW = "otel_metric_overflow"


def _completions(job: str, count: int, **times: int) -> dict[str, Any]:
    point = {"attributes": {"job_name": job, "job_type": "batch", "status": "success"}, "asInt": str(count), **times}
    total = {"aggregationTemporality": 2 if times else 1, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "batch.job.completions", "unit": "{run}", "sum": total}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body: dict[str, Any] = otlp.expand(otlp.request(resource, {}, "metrics", [metric]), 0, 0, NAMESPACE)
    return body


def _found(bench: Bench, namespace: str = NAMESPACE) -> Counter[str]:
    """Return job -> completions of a namespace, and of the overflow series, which has no job."""
    samples, _ = bench.page()
    found: Counter[str] = Counter()
    for sample in (one for one in samples if one.name == "batch_job_completions_total"):
        if sample.label("job").startswith(f"{namespace}/") or sample.label(OVERFLOW):
            found[sample.label("job_name") or OVERFLOW] += int(sample.value)
    return found


def _send(bench: Bench, body: dict[str, Any]) -> None:
    assert bench.send(body) == (200, '{"partialSuccess":{}}')


def test_series_beyond_the_limit(start: Start) -> None:
    """At series_limit new series are added to the overflow series of their metric: the sum of all is kept."""
    with start({"series_limit": 4}) as bench:
        _send(bench, _completions("present", 1))
        bench.settle()  # two markers, so three of four
        for number in range(10):
            _send(bench, _completions(f"flood-{number}", 1))
        _send(bench, _completions("present", 1))
        expected = Counter({"present": 2, "flood-0": 1, OVERFLOW: 9})
        until("the overflow series", lambda: True if _found(bench) == expected else None, 30, bench.program.tail)
        assert bench.telemetry().value("otelcol_processor_run_rollup_overflowed") == 9


def test_series_beyond_the_limit_of_stock(start: Start) -> None:
    """At series_limit new series are dropped and counted while the sender gets OK; those that are there go on."""
    with start({"series_limit": 4, "aggregation": "stock"}) as bench:
        _send(bench, _completions("present", 1))
        bench.settle()  # two markers, so three of four
        for number in range(10):
            _send(bench, _completions(f"flood-{number}", 1))
        _send(bench, _completions("present", 1))
        dropped = ['otelcol_deltatocumulative_datapoints{error="limit"} 9']
        until(
            f"{dropped} in the collector's metrics",
            lambda: True if bench.telemetry().errors() == dropped else None,
            30,
            lambda: str(bench.telemetry().errors()),
        )
        assert _found(bench) == {"present": 2, "flood-0": 1}


@NOT_STOCK
def test_a_flood_of_label_values(start: Start, aggregation: str) -> None:
    """Of 100,000 generated job names as many as fit are series; all runs are counted."""
    names = 100_000
    with start({"series_limit": 2_000, "aggregation": aggregation}) as bench:
        with closing(otlp.Sender(bench.listen.otlp_http)) as sender:
            for first in range(0, names, 1_000):
                body = writers.one_run_each("flood", range(first, first + 1_000))
                assert sender.send("/v1/metrics", body, otlp.PROTOBUF)[0] == 200
        bench.settle()
        found = _found(bench, "flood")
        assert found.total() == names
        # Half of the limit is what one metric may have.
        assert len(found) == 1_001


@NOT_STOCK
def test_writers_over_restarts(start: Start, aggregation: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """20,000 runs of 20 writers, clocks off by an hour, while the collector is stopped and killed: each counts once."""
    overrides = {
        "queue": {"folder": str(tmp_path_factory.mktemp("restarts") / "queue")},
        "aggregation": aggregation,
    }
    jobs, namespace = 1_000, f"restarts-{aggregation}"
    with start(overrides) as bench:
        failures: list[str] = []
        flood = threading.Thread(
            target=lambda: failures.extend(writers.flood(bench.listen.otlp_http, namespace, jobs=jobs, patience=60))
        )
        flood.start()
        for how in (signal.SIGTERM, signal.SIGKILL) * 2:
            time.sleep(1.5)
            bench.program.restart(how)
        flood.join()
        assert failures == []
        bench.settle()
        samples, types = bench.page()
        total = writers.WRITERS * jobs
        labels = 'job="etl",job_name="one_shot",job_type="batch",status="success"'
        assert exposition.lines(of_namespace(samples, namespace), types) == [
            f"batch_job_completions_total{{{labels}}} {total}",
            f"batch_job_duration_seconds{{{labels}}} count={total} sum={total * 2} 5:{total}",
        ]


@NOT_STOCK
def test_a_cumulative_sender_over_a_restart(
    start: Start, prometheus: Prometheus, aggregation: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A job that reports running totals is differenced over a kill of the collector."""
    overrides = {
        "queue": {"folder": str(tmp_path_factory.mktemp("cumulative") / "queue")},
        "aggregation": aggregation,
    }
    job, now = f"cumulative-{aggregation}", time.time_ns()
    times = {"startTimeUnixNano": now - 60 * 10**9}
    selector = f'last_over_time(batch_job_completions_total{{job_name="{job}"}}[5m])'

    def counted() -> float:
        return sum(prometheus.values(selector, "boot").values())

    with start(overrides) as bench:
        _send(bench, _completions(job, 5, **times, timeUnixNano=now))
        until("5 in Prometheus", lambda: True if counted() == 5 else None, 30, bench.program.tail)
        bench.program.restart(signal.SIGKILL, {"BATCHTEL_BOOT": "8"})
        _send(bench, _completions(job, 8, **times, timeUnixNano=now + 10**9))
        bench.settle()
        until("more in Prometheus", lambda: True if counted() > 5 else None, 30, bench.program.tail)
        assert counted() == 8


def test_a_graceful_restart_of_stock(start: Start, prometheus: Prometheus) -> None:
    """A graceful restart of the collector loses nothing in Prometheus, but totals start again under another `boot`."""
    selector = f'{{job="{NAMESPACE}/etl",job_name="restarted"}}'
    with start({"aggregation": "stock"}, boot="100") as bench:
        _send(bench, _completions("restarted", 2))
        first = f"{selector} == 2"
        until(f"{first} in Prometheus", lambda: prometheus.query(first) or None, 30, bench.program.tail)
        _send(bench, _completions("restarted", 1))
    with start({"aggregation": "stock"}, boot="200") as bench:
        _send(bench, _completions("restarted", 1))
        expected = {"100": 3.0, "200": 1.0}
        until(
            f"boot -> total to be {expected} in Prometheus",
            lambda: True if prometheus.values(f"last_over_time({selector}[5m])", "boot") == expected else None,
            30,
            lambda: str(prometheus.values(f"last_over_time({selector}[5m])", "boot")),
        )
