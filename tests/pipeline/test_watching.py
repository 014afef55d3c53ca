"""The own metrics of a collector in the real Prometheus: one query for each figure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from batchtel_dashboards import collector_queries as queries
from tests.pipeline.bench import Bench
from tests.pipeline.conftest import Prometheus, Start
from tests.support import otlp
from tests.support.polling import until

QUEUE = 2**24
"""Bytes of the queue of spans, which no store receives."""


def _metrics(*names: str, monotonic: bool = True) -> dict[str, Any]:
    point = {"attributes": {"job_name": "watched", "job_type": "batch", "status": "success"}, "asInt": "1"}
    total = {"aggregationTemporality": 1, "isMonotonic": monotonic, "dataPoints": [point]}
    metrics = [{"name": name, "sum": total} for name in names]
    body: dict[str, Any] = otlp.expand(otlp.request({"service.name": "watched"}, {}, "metrics", metrics), 0, 0, "")
    return body


def _histogram() -> dict[str, Any]:
    point = {
        "attributes": {"job_name": "watched"},
        "count": "7",
        "sum": 7,
        "explicitBounds": [0.7],
        "bucketCounts": [7, 0],
    }
    metric = {"name": "batch.job.duration", "histogram": {"aggregationTemporality": 1, "dataPoints": [point]}}
    body: dict[str, Any] = otlp.expand(otlp.request({"service.name": "watched"}, {}, "metrics", [metric]), 0, 0, "")
    return body


def _spans(count: int, size: int) -> dict[str, Any]:
    ids = {"traceId": "2" * 32, "spanId": "2" * 16}
    spans = [{"name": "large", **ids, "attributes": {"text": "x" * size}} for _ in range(count)]
    body: dict[str, Any] = otlp.expand(otlp.request({"service.name": "watched"}, {}, "spans", spans), 0, 0, "")
    return body


@contextmanager
def _watched(start: Start, free_ports: Callable[[int], list[int]], folder: Path, aggregation: str) -> Iterator[Bench]:
    """Run a collector with few series, a small queue and no Tempo, to which good and bad data was sent."""
    overrides = {
        "tempo": {"endpoint": f"127.0.0.1:{free_ports(1)[0]}"},
        "queue": {"folder": str(folder / "queue"), "size": "16MiB"},
        "series_limit": 5,
        "aggregation": aggregation,
    }
    with start(overrides) as running:
        assert running.send(_metrics("batch.job.completions", "batch.job.retries"))[0] == 200
        # Of another kind than the table's.
        assert running.send(_metrics("batch.job.records.failed", monotonic=False))[0] == 200
        assert running.send(_histogram())[0] == 200
        for number in range(5):
            assert running.send(_metrics(f"shop.counter_{number}"))[0] == 200
        answers = [running.send(_spans(200, 10_000))[0] for _ in range(16)]
        assert answers.count(503) >= 4, answers
        yield running


@pytest.fixture(scope="module")
def bench(
    start: Start, free_ports: Callable[[int], list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A collector that aggregates by run_rollup."""
    with _watched(start, free_ports, tmp_path_factory.mktemp("watched"), "exact") as running:
        yield running


@pytest.fixture(scope="module")
def stock(
    start: Start, free_ports: Callable[[int], list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A collector that aggregates by components of the contrib image."""
    with _watched(start, free_ports, tmp_path_factory.mktemp("watched"), "stock") as running:
        yield running


def _figure(
    bench: Bench, prometheus: Prometheus, query: str, label: str, wanted: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    """Return label value -> number of this collector as soon as it is as wanted."""

    def look() -> dict[str, float] | None:
        rows = prometheus.query(query)
        found = {
            row["metric"].get(label, ""): float(row["value"][1])
            for row in rows
            if row["metric"].get("instance") == bench.shard
        }
        last.append(found)
        return found if wanted(found) else None

    last: list[dict[str, float]] = [{}]
    return until(f"{query} of {bench.shard}", look, 60, lambda: f"last seen: {last[-1]}")


def test_accepted(bench: Bench, prometheus: Prometheus) -> None:
    """How much was accepted, by receiver."""
    found = _figure(bench, prometheus, queries.accepted("metric_points", "1h"), "receiver", lambda seen: bool(seen))
    assert found == {"otlp": 9}


def test_refused(bench: Bench, prometheus: Prometheus) -> None:
    """How much was rejected for the sender to retry."""
    assert _figure(bench, prometheus, queries.refused("spans", "1h"), "receiver", lambda seen: seen.get("otlp", 0) >= 4)


def test_dropped_by_reason(bench: Bench, prometheus: Prometheus) -> None:
    """What was dropped for good, each reason by its name, the filters' at 0, too."""
    found = _figure(bench, prometheus, queries.dropped("1h"), "reason", lambda seen: seen.get("wrong_kind") == 1)
    assert found == {"wrong_kind": 1, "airflow": 0}


def test_dropped_by_reason_with_stock(stock: Bench, prometheus: Prometheus) -> None:
    """What was dropped for good, each reason by its name, the others at 0."""
    found = _figure(stock, prometheus, queries.dropped("1h"), "reason", lambda seen: seen.get("kind") == 1)
    assert found == {"kind": 1, "value": 0, "buckets": 0, "airflow": 0, "labels": 0}


def test_rebucketed(bench: Bench, prometheus: Prometheus) -> None:
    """How many points of histograms had bounds that do not fit the series'."""
    assert _figure(bench, prometheus, queries.rebucketed("1h"), "", lambda seen: seen.get("", 0) == 1)


def test_other_bounds_with_stock(stock: Bench, prometheus: Prometheus) -> None:
    """How many values of a histogram of ours came with bounds that are not the table's."""
    query = queries.other_bounds("batch.job.duration", "1h")
    found = until(
        query,
        lambda: [row for row in prometheus.query(query) if row["metric"]["job_name"] == "watched"] or None,
        60,
        stock.program.tail,
    )
    assert [(row["metric"], row["value"][1]) for row in found] == [({"job": "watched", "job_name": "watched"}, "7")]


def test_overflowed(bench: Bench, prometheus: Prometheus) -> None:
    """What found no room among the series, and is in the overflow series."""
    assert _figure(bench, prometheus, queries.overflowed("1h"), "", lambda seen: seen.get("", 0) == 3)


def test_overflowed_with_stock(stock: Bench, prometheus: Prometheus) -> None:
    """What found no room among the series, and was dropped."""
    assert _figure(stock, prometheus, queries.overflowed("1h"), "", lambda seen: seen.get("", 0) == 4)


def test_a_full_queue(bench: Bench, prometheus: Prometheus) -> None:
    """What found a full queue, and how full it is."""
    assert _figure(
        bench,
        prometheus,
        queries.not_queued("spans", "1h"),
        "exporter",
        lambda seen: seen.get("otlp_grpc/tempo", 0) >= 4,
    )
    fill = _figure(
        bench, prometheus, queries.queue_fill(), "exporter", lambda seen: seen.get("otlp_grpc/tempo", 0) > 0.5
    )
    assert fill["otlp_http/loki"] == 0
    size = _figure(bench, prometheus, queries.queue_size(), "exporter", lambda seen: seen.get("otlp_grpc/tempo", 0) > 0)
    assert QUEUE // 2 < size["otlp_grpc/tempo"] <= QUEUE


def test_the_age_of_a_queue(bench: Bench, prometheus: Prometheus) -> None:
    """A queue that is not emptied grows older, one that is empty does not; the query looks every 15 s."""
    found = _figure(
        bench,
        prometheus,
        queries.queue_age(),
        "exporter",
        lambda seen: seen.get("otlp_grpc/tempo", 0) > 25 and seen.get("otlp_http/loki", 99) < 21,
    )
    assert set(found) >= {"otlp_grpc/tempo", "otlp_http/loki"}


def test_the_last_export(bench: Bench, prometheus: Prometheus) -> None:
    """When each exporter last delivered: remote write a moment ago, Tempo never."""
    before = time.time()
    found = _figure(
        bench,
        prometheus,
        queries.last_export("metric_points"),
        "exporter",
        lambda seen: seen.get("prometheus_remote_write", 0) >= before - 30,
    )
    assert found["prometheus_remote_write"] <= time.time()
    spans = prometheus.query(queries.last_export("spans"))
    assert [row for row in spans if row["metric"]["instance"] == bench.shard] == []


def test_no_series_for_each_restart(bench: Bench, prometheus: Prometheus) -> None:
    """The labels of its own series are the same after a restart."""
    _figure(bench, prometheus, queries.queue_fill(), "exporter", lambda seen: bool(seen))
    rows = [row["metric"] for row in prometheus.query(f'{{__name__=~"otelcol_.+",instance="{bench.shard}"}}')]
    keys = {key for row in rows for key in row}
    assert not {
        key for key in keys if "instance_id" in key or "version" in key or key.startswith(("server", "url", "net"))
    }
