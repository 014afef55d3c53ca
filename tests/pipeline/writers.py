"""Many one-shot jobs at once: each flushes its metrics in one request and is gone."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)

from batchtel.schema import signals
from tests.support import otlp

WRITERS: Final = 20
JOBS: Final = 1_500
CLOCK_ERROR: Final = 3_600
"""Seconds by which the first writer's clock is behind and the last one's ahead."""

LABELS: Final = {"job_name": "one_shot", "job_type": "batch", "status": "success"}
SECONDS: Final = 2.0
"""Duration that each job reports."""

_BOUNDS: Final = signals.metric("batch.job.duration").bounds


def flood(port: int, namespace: str, writers: int = WRITERS, jobs: int = JOBS, patience: float = 0) -> list[str]:
    """Let `writers` threads, each with a clock and a connection of its own, run `jobs` jobs; return failed answers.

    Every second writer sends cumulative values, as an SDK does by default. A request that is not acknowledged is sent
    again for `patience` seconds.
    """
    with ThreadPoolExecutor(writers) as pool:
        results = pool.map(lambda number: _write(port, namespace, number, writers, jobs, patience), range(writers))
        return [failure for failures in results for failure in failures]


def batched(namespace: str, resources: int, points: int) -> bytes:
    """Return one request with `resources` jobs that each add 1 to one series `points` times."""
    request = ExportMetricsServiceRequest()
    for number in range(resources):
        block = request.resource_metrics.add()
        attributes = {"service.name": "etl", "service.namespace": namespace, "service.instance.id": f"job-{number}"}
        block.resource.attributes.extend(_text(key, value) for key, value in attributes.items())
        metric = _counter(cumulative=False)
        metric.sum.data_points.extend([metric.sum.data_points[0]] * (points - 1))
        block.scope_metrics.add().metrics.append(metric)
    return request.SerializeToString()


def one_run(namespace: str, job: str, instance: str) -> bytes:
    """Return the request of one run of a job: a completion, and a duration of SECONDS, by a sender of its own."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attributes = {"service.name": "etl", "service.namespace": namespace, "service.instance.id": instance}
    resource.resource.attributes.extend(_text(key, value) for key, value in attributes.items())
    metrics = resource.scope_metrics.add().metrics
    metrics.extend([_counter(cumulative=False), _histogram(cumulative=False)])
    for point in (metrics[0].sum.data_points[0], metrics[1].histogram.data_points[0]):
        point.attributes[0].value.string_value = job
        point.time_unix_nano = time.time_ns()
        point.start_time_unix_nano = point.time_unix_nano - int(SECONDS * 10**9)
    return request.SerializeToString()


def one_run_each(namespace: str, jobs: Iterable[int]) -> bytes:
    """Return one request with a completion of each of these jobs, whose names are made of numbers."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attributes = {"service.name": "etl", "service.namespace": namespace}
    resource.resource.attributes.extend(_text(key, value) for key, value in attributes.items())
    metric = _counter(cumulative=False)
    (point,) = metric.sum.data_points
    del metric.sum.data_points[:]
    for job in jobs:
        copy = metric.sum.data_points.add()
        copy.CopyFrom(point)
        copy.attributes[0].value.string_value = f"job_{job}"
        copy.time_unix_nano = time.time_ns()
    resource.scope_metrics.add().metrics.append(metric)
    return request.SerializeToString()


def _write(port: int, namespace: str, number: int, writers: int, jobs: int, patience: float) -> list[str]:
    offset = round(CLOCK_ERROR * (2 * number / max(writers - 1, 1) - 1))
    failures = []
    with closing(otlp.Sender(port)) as sender:
        for body in _requests(namespace, number, offset, jobs):
            deadline = time.monotonic() + patience
            while (answer := _send(sender, body)) != "200":
                if time.monotonic() > deadline:
                    failures.append(f"writer {number}: {answer}")
                    break
                time.sleep(0.02)
    return failures


def _send(sender: otlp.Sender, body: bytes) -> str:
    """Return `200`, or what was answered instead; a connection that broke is opened again by the next request."""
    try:
        status, answer = sender.send("/v1/metrics", body, otlp.PROTOBUF)
    except (OSError, http.client.HTTPException) as error:
        sender.close()
        return repr(error)
    return "200" if status == 200 else f"{status} {answer}"


def _requests(namespace: str, writer: int, offset: int, jobs: int) -> Iterator[bytes]:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(
        [_text("service.name", "etl"), _text("service.namespace", namespace), _text("host.name", f"host-{writer}")]
    )
    instance = resource.resource.attributes.add(key="service.instance.id")
    scope = resource.scope_metrics.add()
    scope.scope.name = "batchtel"
    scope.metrics.extend([_counter(writer % 2 == 1), _histogram(writer % 2 == 1)])
    points: list[NumberDataPoint | HistogramDataPoint] = [
        scope.metrics[0].sum.data_points[0],
        scope.metrics[1].histogram.data_points[0],
    ]
    run_ids = [point.attributes.add(key="run_id") for point in points]
    for _ in range(jobs):
        instance.value.string_value = str(uuid.uuid4())
        end = time.time_ns() + offset * 10**9
        for point, run_id in zip(points, run_ids, strict=True):
            run_id.value.string_value = instance.value.string_value
            point.start_time_unix_nano, point.time_unix_nano = end - int(SECONDS * 10**9), end
        yield request.SerializeToString()


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _temporality(cumulative: bool) -> AggregationTemporality.ValueType:
    return AGGREGATION_TEMPORALITY_CUMULATIVE if cumulative else AGGREGATION_TEMPORALITY_DELTA


def _counter(cumulative: bool) -> Metric:
    metric = Metric(name="batch.job.completions", unit="{run}")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = _temporality(cumulative)
    point = metric.sum.data_points.add(as_int=1)
    point.attributes.extend(_text(key, value) for key, value in LABELS.items())
    return metric


def _histogram(cumulative: bool) -> Metric:
    metric = Metric(name="batch.job.duration", unit="s")
    metric.histogram.aggregation_temporality = _temporality(cumulative)
    counts = [0] * (len(_BOUNDS) + 1)
    counts[next(index for index, bound in enumerate(_BOUNDS) if bound >= SECONDS)] = 1
    point = metric.histogram.data_points.add(count=1, sum=SECONDS, explicit_bounds=_BOUNDS, bucket_counts=counts)
    point.attributes.extend(_text(key, value) for key, value in LABELS.items())
    return metric
