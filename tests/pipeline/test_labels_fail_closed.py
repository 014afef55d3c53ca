"""A point whose labels could not be bounded never becomes a series of its own."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.pipeline import exposition
from tests.pipeline.bench import Bench, Collector, of_namespace
from tests.pipeline.conftest import Start
from tests.support import otlp

NAMESPACE = "unbounded"


def _without_bounds(collector: Collector, aggregation: str) -> str:
    """Return a configuration in which no statement removes a label of a point."""
    text = collector.rendered({"aggregation": aggregation})
    text, count = re.subn(r"keep_keys\(datapoint\.attributes, ", "keep_keys(scope.attributes, ", text)
    assert count >= (10 if aggregation == "stock" else 1)
    return text


def _lines(bench: Bench) -> list[str]:
    samples, types = bench.page()
    return exposition.lines(of_namespace(samples, NAMESPACE), types)


def _send(bench: Bench, job: str, **more: str) -> None:
    point = {"attributes": {"job_name": job, "job_type": "batch", **more}, "asInt": "1", "timeUnixNano": "{now}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    item: dict[str, Any] = {"name": "batch.job.retries", "unit": "{retry}", "sum": total}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body = otlp.expand(otlp.request(resource, {}, "metrics", [item]), int(time.time()), 0, NAMESPACE)
    assert bench.send(body)[0] == 200


def test_labels_that_are_still_there(start: Start) -> None:
    """With stock the point with a run id is dropped and counted, and the one beside it is exported."""
    with start(configuration=lambda one: _without_bounds(one, "stock")) as bench:
        _send(bench, "bounded")
        _send(bench, "unbounded", run_id="0197c5e0")
        bench.settle()
        assert _lines(bench) == ['batch_job_retries_total{job="etl",job_name="bounded",job_type="batch"} 1']
        assert +bench.telemetry().refused() == {"filter/labels": 1}


def test_labels_that_run_rollup_removes(start: Start) -> None:
    """With exact a label that the transforms have left is on no list of run_rollup: the point counts without it."""
    with start(configuration=lambda one: _without_bounds(one, "exact")) as bench:
        _send(bench, "unbounded", run_id="0197c5e0")
        _send(bench, "unbounded", run_id="0197c5e1")
        bench.settle()
        assert _lines(bench) == ['batch_job_retries_total{job="etl",job_name="unbounded",job_type="batch"} 2']
