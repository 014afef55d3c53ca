"""What was recorded of one metric for one set of labels since the last collection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from batchtel.export.otlp_values import key_values
from batchtel.schema.signals import Metric


class Exemplar(NamedTuple):
    """One recorded value with the sampled span it was recorded in; `time` is Unix time in ns."""

    value: float
    time: int
    trace_id: int
    span_id: int

    def encoded(self) -> pb.Exemplar:
        """Return it as OTLP."""
        trace_id, span_id = self.trace_id.to_bytes(16, "big"), self.span_id.to_bytes(8, "big")
        found = pb.Exemplar(time_unix_nano=self.time, trace_id=trace_id, span_id=span_id)
        _set(found, self.value)
        return found


class Sum:
    """A sum of amounts, whole as long as all of them are."""

    def __init__(self, row: Metric) -> None:
        self._sum: float = 0
        self._exemplar: Exemplar | None = None

    def record(self, value: float, exemplar: Exemplar | None) -> None:
        """Add an amount."""
        self._sum += value
        self._exemplar = exemplar or self._exemplar

    def put_into(self, metric: pb.Metric, attributes: Mapping[str, str], start: int, end: int) -> None:
        """Add it as a point to `metric`; the times are Unix times in ns."""
        metric.sum.aggregation_temporality = pb.AGGREGATION_TEMPORALITY_DELTA
        metric.sum.is_monotonic = True
        point = metric.sum.data_points.add(
            start_time_unix_nano=start, time_unix_nano=end, attributes=key_values(attributes)
        )
        _set(point, self._sum)
        if self._exemplar is not None:
            point.exemplars.append(self._exemplar.encoded())


class Maximum:
    """The latest of several Unix times, in seconds."""

    def __init__(self, row: Metric) -> None:
        self._time = 0.0

    def record(self, value: float, exemplar: Exemplar | None) -> None:
        """Raise it to `value`; an earlier time changes nothing."""
        self._time = max(self._time, value)

    def put_into(self, metric: pb.Metric, attributes: Mapping[str, str], start: int, end: int) -> None:
        """Add it as a point to `metric`."""
        metric.gauge.data_points.add(time_unix_nano=end, attributes=key_values(attributes), as_double=self._time)


class Distribution:
    """A histogram with the bounds of the table, and one exemplar for each bucket."""

    def __init__(self, row: Metric) -> None:
        self._bounds = row.bounds
        self._counts = [0] * (len(row.bounds) + 1)
        self._exemplars: dict[int, Exemplar] = {}
        self._sum = 0.0
        self._lowest, self._highest = float("inf"), float("-inf")

    def record(self, value: float, exemplar: Exemplar | None) -> None:
        """Count one value."""
        # A bound belongs to the bucket below it.
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        self._lowest, self._highest = min(self._lowest, value), max(self._highest, value)
        if exemplar is not None:
            self._exemplars[bucket] = exemplar

    def put_into(self, metric: pb.Metric, attributes: Mapping[str, str], start: int, end: int) -> None:
        """Add it as a point to `metric`."""
        metric.histogram.aggregation_temporality = pb.AGGREGATION_TEMPORALITY_DELTA
        metric.histogram.data_points.add(
            start_time_unix_nano=start,
            time_unix_nano=end,
            attributes=key_values(attributes),
            count=sum(self._counts),
            sum=self._sum,
            min=self._lowest,
            max=self._highest,
            bucket_counts=self._counts,
            explicit_bounds=self._bounds,
            exemplars=[exemplar.encoded() for exemplar in self._exemplars.values()],
        )


Series = Sum | Maximum | Distribution


def of(row: Metric) -> Series:
    """Return an empty series of a metric of the table."""
    kinds: dict[str, type[Series]] = {"counter": Sum, "maximum": Maximum, "histogram": Distribution}
    return kinds[row.kind](row)


def _set(point: Any, value: float) -> None:
    # OTLP has 64 bits for a whole number; Prometheus stores doubles.
    if isinstance(value, int) and value < 2**63:
        point.as_int = value
    else:
        point.as_double = value
