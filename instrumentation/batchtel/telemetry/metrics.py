"""The metrics of this process: recorded by the names of the table of signals, collected as deltas.

The SDK's meter costs 24 ms of start-up and 10 us a call, most of it for attributes that are the same each time; a
call of `records()` costs 4 us as a whole (`python -m benchmarks calls`). What the table has, a sum, a maximum or a
histogram of fixed bounds for each set of labels, is added up here and leaves as OTLP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.trace import get_current_span

from batchtel.base import native, pristine
from batchtel.export.otlp_values import key_values
from batchtel.schema.signals import Metric, metric
from batchtel.telemetry import series
from batchtel.telemetry.series import Exemplar, Series
from batchtel.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_PATIENCE: Final = 0.5
"""Seconds that a collection waits for a thread that records; it may have been stopped by a signal handler."""

Recorded = tuple[str, float, Mapping[str, str], Exemplar | None]
"""Name of a metric, value, labels, and the exemplar, if there is one."""


class Meter:
    """Records the metrics of the table, by name; amounts are ints or floats, times are Unix seconds."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        # Reentrant: a signal handler of the job may count while the main thread does.
        self._lock = native.RLock()
        self._is_entered = False
        self._aside: deque[Recorded] = deque()
        self._series: dict[tuple[str, ...], tuple[Metric, Mapping[str, str], Series]] = {}
        self._reached: dict[tuple[str, ...], float] = {}
        self._since = pristine.time_ns()

    def add(self, name: str, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter; labels come in the same order each time."""
        self.record_all((name, amount, labels, None))

    def record(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Record one value of a histogram."""
        self.record_all((name, value, labels, self.exemplars(value)[0]))

    def reach(self, name: str, time: float, labels: Mapping[str, str]) -> None:
        """Raise a maximum to `time`, a Unix time in seconds; an earlier one than before changes nothing."""
        self.record_all((name, time, labels, None))

    def record_all(self, *recorded: Recorded) -> None:
        """Record several values of any kind, which are in the same collection."""
        with self._lock:
            if self._is_entered:
                # What it has interrupted is about to write what it has read.
                self._aside.extend(recorded)
                return
            self._is_entered = True
            try:
                for each in recorded:
                    self._merge(*each)
            finally:
                self._is_entered = False

    def exemplars(self, *values: float) -> list[Exemplar | None]:
        """Return an exemplar of each value with the current span, if that is sampled; else None for each."""
        span: Any = get_current_span().get_span_context()
        if not span.trace_flags.sampled:
            return [None] * len(values)
        now = pristine.time_ns()
        return [Exemplar(value, now, span.trace_id, span.span_id) for value in values]

    def _merge(self, name: str, value: float, labels: Mapping[str, str], exemplar: Exemplar | None) -> None:
        key = (name, *labels.values())
        found = self._series.get(key)
        if found is None:
            row = metric(name)
            found = self._series[key] = (row, labels, series.of(row))
        if found[0].kind == "maximum":
            # Two runs of one process may report theirs in either order, and in two collections.
            value = self._reached[key] = max(value, self._reached.get(key, 0.0))
        found[2].record(value, exemplar)

    def collect(self) -> pb.ResourceMetrics | None:
        """Return what was recorded since the last time; None if that is nothing."""
        if not self._lock.acquire(timeout=_PATIENCE):
            return None
        try:
            if self._is_entered:
                return None
            while self._aside:
                self._merge(*self._aside.popleft())
            drained, self._series = self._series, {}
            start, self._since = self._since, pristine.time_ns()
            end = self._since
        finally:
            self._lock.release()
        return self._encoded(drained.values(), start, end) if drained else None

    def _encoded(
        self, recorded: Iterable[tuple[Metric, Mapping[str, str], Series]], start: int, end: int
    ) -> pb.ResourceMetrics:
        collection = pb.ResourceMetrics(schema_url=self._resource.schema_url)
        collection.resource.attributes.extend(key_values(self._resource.attributes))
        scope = collection.scope_metrics.add()
        scope.scope.name, scope.scope.version = "batchtel", __version__
        metrics: dict[str, pb.Metric] = {}
        for row, labels, values in recorded:
            if row.name not in metrics:
                metrics[row.name] = scope.metrics.add(name=row.name, unit=row.unit, description=row.description)
            values.put_into(metrics[row.name], labels, start, end)
        return collection
