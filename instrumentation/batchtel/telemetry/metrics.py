"""The metrics of this process: instruments made from the table of signals, collected as deltas."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource

from batchtel.base import native
from batchtel.schema.signals import METRICS, Metric
from batchtel.telemetry.pending import Pending
from batchtel.version import __version__


class Meter:
    """Records the metrics of the table, by name; amounts are ints or floats, times are Unix seconds."""

    def __init__(self, resource: Resource) -> None:
        delta = AggregationTemporality.DELTA
        self._reader = InMemoryMetricReader(preferred_temporality={Counter: delta, Histogram: delta})
        provider = MeterProvider([self._reader], resource, shutdown_on_exit=False)
        meter = provider.get_meter("batchtel", __version__)
        self._instruments = {row.name: _instrument(meter, row) for row in METRICS}
        self._sums = Pending(operator.add)
        self._maxima = Pending(max)
        self._reached: dict[tuple[str, ...], float] = {}
        self._guard = native.Guard()

    def collect(self) -> MetricsData | None:
        """Return what was recorded since the last time; None if that is nothing."""
        with self._guard.held():
            for name, amount, attributes in self._sums.drain():
                self._instruments[name].add(amount, attributes)
            for name, time, attributes in self._maxima.drain():
                # The SDK keeps the last value of an interval, and two runs of one process may report in either order.
                key = (name, *attributes.values())
                self._reached[key] = max(time, self._reached.get(key, 0.0))
                self._instruments[name].set(self._reached[key], attributes)
            return self._reader.get_metrics_data()

    def add(self, name: str, amount: float, attributes: Mapping[str, str]) -> None:
        """Add to a counter."""
        self._sums.put(name, amount, attributes)

    def add_with_exemplar(self, name: str, amount: float, attributes: Mapping[str, str]) -> None:
        """Add to a counter whose points lead to the trace of the current context."""
        with self._guard.held():
            self._instruments[name].add(amount, attributes)

    def record(self, name: str, value: float, attributes: Mapping[str, str]) -> None:
        """Record one value of a histogram."""
        with self._guard.held():
            self._instruments[name].record(value, attributes)

    def reach(self, name: str, time: float, attributes: Mapping[str, str]) -> None:
        """Raise a maximum to `time`, a Unix time in seconds; an earlier one than before changes nothing."""
        self._maxima.put(name, time, attributes)


def _instrument(meter: Any, row: Metric) -> Any:
    if row.kind == "counter":
        return meter.create_counter(row.name, row.unit, row.description)
    if row.kind == "histogram":
        return meter.create_histogram(
            row.name, row.unit, row.description, explicit_bucket_boundaries_advisory=list(row.bounds)
        )
    return meter.create_gauge(row.name, row.unit, row.description)
