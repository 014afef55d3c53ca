"""Metrics of other libraries: by gRPC, HTTP with protobuf and HTTP with JSON, as increments and as totals, alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.pipeline import exposition
from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Start
from tests.support import otlp

DELTA: dict[type, AggregationTemporality] = {
    Counter: AggregationTemporality.DELTA,
    Histogram: AggregationTemporality.DELTA,
}
BOUNDS = [1.0, 10.0]


BY_HAND = "http/json"
QUEUE = {True: 2, False: -3}
TEMPERATURE = {True: 2, False: 21.5}
"""Whether it was sent by hand -> value."""


@pytest.fixture(scope="module")
def bench(start: Start) -> Iterator[Bench]:
    """A collector on whose list of labels a user has put `region`."""
    with start({"labels": ["region"]}) as running:
        yield running


def _exporter(bench: Bench, transport: str, temporality: str) -> MetricExporter:
    preferred = DELTA if temporality == "delta" else {}
    if transport == "grpc":
        endpoint = f"http://127.0.0.1:{bench.listen.otlp_grpc}"
        return GrpcExporter(endpoint=endpoint, insecure=True, preferred_temporality=preferred)
    endpoint = f"http://127.0.0.1:{bench.listen.otlp_http}/v1/metrics"
    return HttpExporter(endpoint=endpoint, preferred_temporality=preferred)


def _temperature(options: CallbackOptions) -> Iterator[Observation]:
    yield Observation(21.5, {"region": "eu"})


def _by_sdk(bench: Bench, transport: str, temporality: str, namespace: str) -> None:
    """Count with the stock SDK, which has no setting of batchtel, and export once."""
    reader = PeriodicExportingMetricReader(_exporter(bench, transport, temporality), export_interval_millis=600_000)
    resource = Resource({"service.name": "shop", "service.namespace": namespace, "host.name": "h1"})
    provider = MeterProvider([reader], resource)
    meter = provider.get_meter("shop.library", "1.2.3", attributes={"team": "a"})
    attributes = {"region": "eu", "customer_id": "c-17"}
    meter.create_counter("shop.orders", unit="{order}").add(2, attributes)
    latency = meter.create_histogram("shop.latency", unit="s", explicit_bucket_boundaries_advisory=BOUNDS)
    latency.record(0.5, attributes)
    latency.record(4, attributes)
    meter.create_up_down_counter("shop.queue").add(-3, attributes)
    meter.create_observable_gauge("shop.temperature", [_temperature])
    provider.shutdown()


def _by_hand(bench: Bench, temporality: str, namespace: str) -> None:
    """Send the same as JSON, as SDKs for browsers and people with curl do."""
    kind = 1 if temporality == "delta" else 2
    attributes = {"region": "eu", "customer_id": "c-17"}
    times = {"startTimeUnixNano": "{now-1}", "timeUnixNano": "{now}"}
    number = [{"attributes": attributes, "asInt": "2", **times}]
    latency = {"attributes": attributes, "count": "2", "sum": 4.5, "explicitBounds": BOUNDS, "bucketCounts": [1, 1, 0]}
    metrics: list[dict[str, Any]] = [
        {"name": "shop.orders", "unit": "{order}",
         "sum": {"aggregationTemporality": kind, "isMonotonic": True, "dataPoints": number}},
        {"name": "shop.latency", "unit": "s",
         "histogram": {"aggregationTemporality": kind, "dataPoints": [{**latency, **times}]}},
        {"name": "shop.queue", "sum": {"aggregationTemporality": 2, "isMonotonic": False, "dataPoints": number}},
        {"name": "shop.temperature", "gauge": {"dataPoints": number}},
    ]  # fmt: skip
    resource = {"service.name": "shop", "service.namespace": namespace, "host.name": "h1"}
    body = otlp.request(resource, {"name": "shop.library", "version": "1.2.3"}, "metrics", metrics)
    assert bench.send(otlp.expand(body, bench.now, 0, namespace))[0] == 200


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
@pytest.mark.parametrize("transport", ["grpc", "http/protobuf", BY_HAND])
def test_every_way_in(bench: Bench, transport: str, temporality: str) -> None:
    """The same comes out whichever way it came: and has the allowed labels only."""
    namespace = f"{transport}-{temporality}"
    before = bench.telemetry().refused()
    if transport == BY_HAND:
        _by_hand(bench, temporality, namespace)
    else:
        _by_sdk(bench, transport, temporality, namespace)
    bench.settle()
    samples, types = bench.page()
    found = [sample for sample in samples if sample.label("job") == f"{namespace}/shop"]
    lines = [line.replace(f'job="{namespace}/shop",', "") for line in exposition.lines(found, types)]
    assert lines == [
        'shop_latency_seconds{region="eu"} count=2 sum=4.5 bounds=[1 10 inf] 1:1 10:2',
        'shop_orders_total{region="eu"} 2',
        # An UpDownCounter, which Python keeps as a total whatever is preferred, and a gauge: its last value by time.
        f'shop_queue{{region="eu"}} {QUEUE[transport == BY_HAND]}',
        f'shop_temperature{{region="eu"}} {TEMPERATURE[transport == BY_HAND]}',
    ]
    assert +(bench.telemetry().refused() - before) == {}


def test_an_attribute_twice(bench: Bench) -> None:
    """A resource that has a key twice, which OTLP forbids, is one service by the last value."""
    names = [("service.name", "a"), ("service.name", "b"), ("service.namespace", "x"), ("service.namespace", "twice")]
    attributes = [{"key": key, "value": {"stringValue": name}} for key, name in names]
    total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [{"asInt": "1"}]}
    body = otlp.request({}, {}, "metrics", [{"name": "shop.orders", "sum": total}])
    body["resourceMetrics"][0]["resource"]["attributes"] = attributes
    assert bench.send(body)[0] == 200
    bench.settle()
    samples, _ = bench.page()
    found = [(sample.label("job"), sample.value) for sample in samples if sample.label("job").startswith("twice")]
    assert found == [("twice/b", 1)]
    assert bench.telemetry().errors() == []


@pytest.mark.parametrize(
    ("job", "resources"),
    [
        (
            "a/b/c",
            [{"service.namespace": "a", "service.name": "b/c"}, {"service.namespace": "a/b", "service.name": "c"}],
        ),
        ("shop/svc", [{"service.namespace": "shop", "service.name": "svc"}, {"service.name": "shop/svc"}]),
        ("svc", [{"service.namespace": "", "service.name": "svc"}, {"service.name": "svc"}]),
        ("", [{}, {"service.name": ""}, {"service.namespace": "shop"}]),
    ],
    ids=["divided", "in the name", "empty namespace", "no name"],
)
def test_resources_of_one_job(bench: Bench, job: str, resources: list[dict[str, str]]) -> None:
    """Resources that are one `job` in Prometheus are added to one series."""
    name = f"shop.sold_{'_'.join(job.split('/'))}"
    for number, resource in enumerate(resources):
        total = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [{"asInt": str(10**number)}]}
        body = otlp.request(resource, {}, "metrics", [{"name": name, "sum": total}])
        assert bench.send(otlp.expand(body, bench.now, 0, ""))[0] == 200
    bench.settle()
    samples, _ = bench.page()
    found = [(sample.label("job"), sample.value) for sample in samples if sample.name.startswith("shop_sold")]
    assert (job, sum(10**number for number in range(len(resources)))) in found
    assert len([one for one in found if one[0] == job]) == 1
