"""Limits of the stock engine; those that one collector can show are cases below cases/limits."""

from __future__ import annotations

from typing import Any

from tests.pipeline.bench import of_namespace
from tests.pipeline.conftest import Prometheus, Start
from tests.support import otlp
from tests.support.polling import until

NAMESPACE = "limits"


def _completions(job: str, count: int) -> dict[str, Any]:
    point = {"attributes": {"job_name": job, "job_type": "batch", "status": "success"}, "asInt": str(count)}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    metric = {"name": "batch.job.completions", "unit": "{run}", "sum": total}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body: dict[str, Any] = otlp.expand(otlp.request(resource, {}, "metrics", [metric]), 0, 0, NAMESPACE)
    return body


def test_series_beyond_the_limit(start: Start) -> None:
    """At series_limit new series are dropped and counted while the sender gets OK; those that are there go on."""
    with start({"series_limit": 4}) as bench:
        assert bench.send(_completions("present", 1))[0] == 200
        bench.settle()  # two markers, so three of four
        for number in range(10):
            assert bench.send(_completions(f"flood-{number}", 1)) == (200, '{"partialSuccess":{}}')
        assert bench.send(_completions("present", 1))[0] == 200
        dropped = ['otelcol_deltatocumulative_datapoints{error="limit"} 9']
        until(
            f"{dropped} in the collector's metrics",
            lambda: True if bench.telemetry().errors() == dropped else None,
            30,
            lambda: str(bench.telemetry().errors()),
        )
        samples, _ = bench.page()
        found = {sample.label("job_name"): sample.value for sample in of_namespace(samples, NAMESPACE)}
        assert found == {"present": 2, "flood-0": 1}


def test_a_graceful_restart(start: Start, prometheus: Prometheus) -> None:
    """A graceful restart of the collector loses nothing in Prometheus, but totals start again under another `boot`."""
    selector = f'{{job="{NAMESPACE}/etl",job_name="restarted"}}'
    with start(boot="100") as bench:
        assert bench.send(_completions("restarted", 2))[0] == 200
        first = f"{selector} == 2"
        until(f"{first} in Prometheus", lambda: prometheus.query(first) or None, 30, bench.program.tail)
        assert bench.send(_completions("restarted", 1))[0] == 200
    with start(boot="200") as bench:
        assert bench.send(_completions("restarted", 1))[0] == 200
        expected = {"100": 3.0, "200": 1.0}
        until(
            f"boot -> total to be {expected} in Prometheus",
            lambda: True if prometheus.values(f"last_over_time({selector}[5m])", "boot") == expected else None,
            30,
            lambda: str(prometheus.values(f"last_over_time({selector}[5m])", "boot")),
        )
