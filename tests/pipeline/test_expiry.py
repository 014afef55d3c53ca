"""A series that really expires: it leaves the collector and Prometheus, and what comes later is counted from 0."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.pipeline.bench import Bench, Collector
from tests.pipeline.conftest import LOOKBACK, Prometheus, Start
from tests.support import otlp
from tests.support.polling import until

EXPIRY = 10
"""Seconds without a run after which a series is to go; with stock the sweep for it comes once a minute."""

SETTINGS = {
    "exact": (("expiry", "1h", f'{EXPIRY}s"\n    horizon: "{EXPIRY}s'),),
    "stock": (("max_stale", "1h", f"{EXPIRY}s"), ("metric_expiration", "65m", f"{EXPIRY + 65}s")),
}


def _short(aggregation: str) -> Callable[[Collector], str]:
    """Return how to render an expiry that no environment may have: an hour is the least."""

    def configuration(collector: Collector) -> str:
        text = collector.rendered({"expiry": "1h", "aggregation": aggregation})
        for setting, rendered, short in SETTINGS[aggregation]:
            assert f'{setting}: "{rendered}"' in text
            text = text.replace(f'{setting}: "{rendered}"', f'{setting}: "{short}"')
        return text

    return configuration


def _run(bench: Bench, job: str) -> None:
    attributes = {"job_name": job, "job_type": "batch"}
    point = {"attributes": attributes, "asInt": "1"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    state = {"attributes": {**attributes, "state": "success"}, "asInt": str(int(time.time()))}
    metrics: list[dict[str, Any]] = [
        {"name": "batch.job.runs.started", "sum": total},
        {"name": "batch.job.state.timestamp", "unit": "s", "gauge": {"dataPoints": [state]}},
    ]
    body = otlp.request({"service.name": "etl", "service.namespace": "expiry"}, {}, "metrics", metrics)
    assert bench.send(otlp.expand(body, 0, 0, ""))[0] == 200


@pytest.mark.timeout(400)
@pytest.mark.parametrize("aggregation", ["exact", pytest.param("stock", marks=pytest.mark.faults)])
def test_a_series_expires(start: Start, prometheus: Prometheus, aggregation: str) -> None:
    """One job runs on and stays, the other one goes after its expiry; when it runs again it starts at 1."""
    with start(configuration=_short(aggregation)) as bench:
        names = "batch_job_(runs_started_total|state_timestamp_seconds)"
        selector = f'{{{{instance="{bench.shard}",job="expiry/etl",job_name="{{}}",__name__=~"{names}"}}}}'
        for _ in range(3):
            _run(bench, "gone")
        _run(bench, "stays")
        for job in ("gone", "stays"):
            until(job, lambda job=job: len(prometheus.query(selector.format(job))) == 2 or None, 30)  # type: ignore[misc]
        began = time.monotonic()

        def gone() -> bool | None:
            _run(bench, "stays")
            return not prometheus.query(selector.format("gone")) or None

        until("the series of the job to expire", gone, 240, lambda: str(prometheus.query(selector.format("gone"))))
        # `began` is up to an export interval and a poll after the last run.
        assert time.monotonic() - began > EXPIRY - 5
        assert len(prometheus.query(selector.format("stays"))) == 2
        _run(bench, "gone")
        values = until("it to come again", lambda: prometheus.query(selector.format("gone")) or None, LOOKBACK + 20)
        counters = [row["value"][1] for row in values if row["metric"]["__name__"] == "batch_job_runs_started_total"]
        assert counters == ["1"]
