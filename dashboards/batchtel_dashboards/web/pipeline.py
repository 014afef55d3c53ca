"""The page of the pipeline: collectors, their queues, and the stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batchtel.redact.addresses import shown
from batchtel_dashboards import collector_queries
from batchtel_dashboards.stores import Firing, Prometheus, Sample, Wanted
from batchtel_dashboards.web.sources import Part, Sources, parts

WINDOW: Final = "1h"
"""The time that counts are of."""

Counts = Mapping[str, Mapping[str, float]]
"""Instance of a collector -> what -> number."""


@dataclass(frozen=True)
class Queue:
    """An exporter of a collector and its queue, None where it has none.

    It is full from 0 to 1, has not been empty for an age in seconds, and delivered last at a Unix time in seconds.
    """

    instance: str
    exporter: str
    size: float | None
    fill: float | None
    age: float | None
    delivered: float | None


@dataclass(frozen=True)
class Store:
    """A store and its address without credentials; `problem` is empty if it answers."""

    product: str
    url: str
    problem: str


@dataclass(frozen=True)
class Pipeline:
    """All that the page shows; counts are of WINDOW."""

    accepted: Part[Counts]
    refused: Part[Counts]
    dropped: Part[Counts]
    overflowed: Part[Counts]
    queues: Part[Sequence[Queue]]
    limits: Part[Counts]
    missing: Part[Sequence[str]]
    alerts: Part[Sequence[Firing]]
    stores: Sequence[Store]
    now: float

    @property
    def refreshes(self) -> bool:
        """It always changes."""
        return True


def pipeline(sources: Sources, now: float) -> Pipeline:
    """Return the page of the pipeline at a time, Unix time in seconds."""
    prometheus = sources.prometheus
    found = parts(
        accepted=lambda: _per_signal(prometheus, collector_queries.accepted),
        refused=lambda: _per_signal(prometheus, collector_queries.refused),
        dropped=lambda: _by(prometheus, collector_queries.dropped(WINDOW), "reason"),
        overflowed=lambda: _by(prometheus, collector_queries.overflowed(WINDOW), "data points"),
        queues=lambda: _queues(prometheus),
        limits=lambda: _limits(prometheus),
        missing=lambda: [_missing(row) for row in prometheus.query(collector_queries.missing())],
        alerts=lambda: [one for one in sources.alerts() if "job_name" not in one.labels],
    )
    checks = parts(
        metrics=lambda: prometheus.query("vector(1)"),
        logs=lambda: sources.logs.newest(Wanted(), now - 60, now, 1, ("event_name",)),
        traces=sources.traces.check,
    )
    stores = [
        Store(store.product, shown(store.url), checks[name].problem)
        for name, store in (("metrics", prometheus), ("logs", sources.logs), ("traces", sources.traces))
    ]
    return Pipeline(stores=stores, now=now, **found)


def _missing(row: Sample) -> str:
    if instance := row.labels.get("instance", ""):
        return f"The collector {instance} has not exported its metrics for 3 minutes."
    return "No collector has exported its metrics for 3 minutes."


def _per_signal(prometheus: Prometheus, query: collector_queries.PerSignal) -> Counts:
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for signal in collector_queries.SIGNALS:
        for row in prometheus.query(query(signal, WINDOW)):
            of_instance = counts[row.labels.get("instance", "")]
            of_instance[signal] = of_instance.get(signal, 0.0) + row.value
    return counts


def _by(prometheus: Prometheus, query: str, label: str) -> Counts:
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for row in prometheus.query(query):
        counts[row.labels.get("instance", "")][row.labels.get(label, label)] = row.value
    return counts


def _limits(prometheus: Prometheus) -> Counts:
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for query in (collector_queries.series(), collector_queries.series_of_stock()):
        for row in prometheus.query(query):
            counts[row.labels.get("instance", "")]["series"] = row.value
    for row in prometheus.query(collector_queries.share_of_limits()):
        counts[row.labels.get("instance", "")][f"share of {row.labels.get('limit', '')}"] = row.value
    return counts


def _queues(prometheus: Prometheus) -> Sequence[Queue]:
    def by_queue(query: str) -> Mapping[tuple[str, str], float]:
        # One for each signal that an exporter has: the largest is what somebody has to look at.
        values: dict[tuple[str, str], float] = {}
        for row in prometheus.query(query):
            key = row.labels.get("instance", ""), row.labels.get("exporter", "")
            values[key] = max(row.value, values.get(key, row.value))
        return values

    sizes, fills, ages = (
        by_queue(query)
        for query in (collector_queries.queue_size(), collector_queries.queue_fill(), collector_queries.queue_age())
    )
    delivered: dict[tuple[str, str], float] = {}
    for signal in collector_queries.SIGNALS:
        for key, moment in by_queue(collector_queries.last_export(signal)).items():
            delivered[key] = max(moment, delivered.get(key, 0.0))
    return [
        Queue(*key, size=sizes.get(key), fill=fills.get(key), age=ages.get(key), delivered=delivered.get(key))
        for key in sorted(sizes.keys() | delivered.keys())
    ]
