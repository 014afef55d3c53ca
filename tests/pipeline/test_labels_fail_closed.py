"""A point whose labels could not be bounded is dropped and counted; it never becomes a series."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.pipeline import exposition
from tests.pipeline.bench import Bench, Collector, of_namespace
from tests.pipeline.conftest import Start
from tests.support import otlp

NAMESPACE = "unbounded"


def _without_bounds(collector: Collector) -> str:
    """Return a configuration in which no statement removes a label of a point."""
    text, count = re.subn(r"keep_keys\(datapoint\.attributes, ", "keep_keys(scope.attributes, ", collector.rendered({}))
    assert count >= 10
    return text


def _send(bench: Bench, job: str, **more: str) -> None:
    point = {"attributes": {"job_name": job, "job_type": "batch", **more}, "asInt": "1", "timeUnixNano": "{now}"}
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
    item: dict[str, Any] = {"name": "batch.job.retries", "unit": "{retry}", "sum": total}
    resource = {"service.name": "etl", "service.namespace": NAMESPACE}
    body = otlp.expand(otlp.request(resource, {}, "metrics", [item]), int(time.time()), 0, NAMESPACE)
    assert bench.send(body)[0] == 200


def test_labels_that_are_still_there(start: Start) -> None:
    """The point with a run id is dropped and counted, and the one beside it is exported."""
    with start(configuration=_without_bounds) as bench:
        _send(bench, "bounded")
        _send(bench, "unbounded", run_id="0197c5e0")
        bench.settle()
        samples, types = bench.page()
        lines = exposition.lines(of_namespace(samples, NAMESPACE), types)
        assert lines == ['batch_job_retries_total{job="etl",job_name="bounded",job_type="batch"} 1']
        assert +bench.telemetry().refused() == {"filter/labels": 1}
