"""What Prometheus itself holds in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.pipeline import exposition
from tests.pipeline.bench import BOOT, Bench
from tests.pipeline.conftest import LOOKBACK, Prometheus, Start
from tests.support import otlp
from tests.support.polling import until
from tests.support.program import fetch

NAMESPACE = "prometheus"


def _completions(status: str) -> dict[str, Any]:
    ids = {"run_id": "0193f0e2", "user_id": "7"}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE, "service.instance.id": "pod-1", "host.name": "h"}
    resource["deployment.environment.name"] = "staging"
    attributes = {"job_name": "nightly_etl", "job_type": "etl", "status": status, "error_type": "ValueError", **ids}
    point = {"attributes": attributes, "asInt": "1", "timeUnixNano": "{now}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    scope = {"name": "batchtel", "version": "1.2.3", "attributes": ids}
    metric = {"name": "batch.job.completions", "unit": "{run}", "sum": total}
    body: dict[str, Any] = otlp.expand(otlp.request(resource, scope, "metrics", [metric]), 1, 0, NAMESPACE)
    return body


@pytest.fixture(scope="module", params=["exact", "stock"])
def bench(start: Start, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A collector that writes to Prometheus every second."""
    with start({"aggregation": request.param}) as running:
        yield running


def _series(bench: Bench) -> str:
    return f'{{instance="{bench.shard}",job=~"{NAMESPACE}/.*"}}'


def test_the_whole_label_set(bench: Bench, prometheus: Prometheus) -> None:
    """A series has exactly these labels in Prometheus; what else the job reports about itself is in none of them."""
    assert bench.send(_completions("failure"))[0] == 200
    until("a series of the job in Prometheus", lambda: prometheus.query(_series(bench)) or None, 30, bench.program.tail)
    found = json.loads(fetch(f"{prometheus.url}/api/v1/series?{urlencode({'match[]': _series(bench)})}"))["data"]
    assert found == [
        {
            "__name__": "batch_job_completions_total",
            **({} if bench.is_exact else {"boot": BOOT}),
            "deployment_environment_name": "staging",
            "error_type": "ValueError",
            "instance": bench.shard,
            "job": f"{NAMESPACE}/etl",
            "job_name": "nightly_etl",
            "job_type": "etl",
            "status": "failure",
        }
    ]


def test_an_idle_series_stays_fresh(bench: Bench, prometheus: Prometheus) -> None:
    """A series without new values is repeated at every export interval, long after Prometheus would call it stale."""
    assert bench.send(_completions("success"))[0] == 200
    selector = f'batch_job_completions_total{{instance="{bench.shard}",status="success"}}'
    old = f"min_over_time(timestamp({selector})[1h:1s])"
    expression = f"(time() - {old} > {2 * LOOKBACK}) and (time() - timestamp({selector}) < 5) and {selector} == 1"
    until(
        f"{selector} to be fresh and {2 * LOOKBACK} s old",
        lambda: prometheus.query(expression) or None,
        90,
        bench.program.tail,
    )
    visible = prometheus.query(f"count_over_time({selector}[{2 * LOOKBACK}s:1s])")
    assert float(visible[0]["value"][1]) >= 2 * LOOKBACK, "there was a gap"


def test_prometheus_holds_what_the_endpoint_shows(bench: Bench, prometheus: Prometheus) -> None:
    """Prometheus has every sample of the endpoint, with `instance` (stock: and `boot`), and no other of the job."""
    assert bench.send(_completions("timeout"))[0] == 200
    bench.settle()
    samples, _ = bench.page()
    shown = {(sample.name, sample.labels, sample.value) for sample in samples}
    until("Prometheus to hold what the endpoint shows", lambda: True if _held(bench, prometheus) == shown else None, 30)


def _held(bench: Bench, prometheus: Prometheus) -> set[tuple[str, exposition.Labels, float]]:
    boot = "" if bench.is_exact else BOOT
    result = prometheus.query(f'{{instance="{bench.shard}",boot="{boot}",__name__=~"batch_.+"}}')
    held = set()
    for row in result:
        labels = {key: value for key, value in row["metric"].items() if key not in ("instance", "boot", "__name__")}
        held.add((row["metric"]["__name__"], tuple(sorted(labels.items())), float(row["value"][1])))
    return held
