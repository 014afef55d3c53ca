"""See in tests what a job would send, without a collector.

    from batchtel.testing import capture

    def test_counts_what_it_loads():
        with capture() as captured:
            nightly_etl()
        assert captured.counter("batch.job.records.processed", job_name="nightly_etl") == 98
        assert captured.event("batch.run.finished")["batch.status"] == "success"

With pytest the fixture `captured` does the same: write `pytest_plugins = ["batchtel.testing.fixture"]` into the
conftest.py at the root of your tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from batchtel.export.endpoint import Signal
from batchtel.schema import settings
from batchtel.telemetry.process import replaced
from batchtel.telemetry.providers import Telemetry
from batchtel.telemetry.spans import QueueProcessor, is_seen

__all__ = ["Captured", "capture"]

Found = TypeVar("Found")


class _Kept:
    """The way out of one signal, into a list."""

    has_room = True

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.worker = self

    def put(self, item: Any) -> None:
        self.items.append(item)

    def wake(self, after: float = 0.0) -> None:
        """Do nothing: items are kept at once."""


class Captured:
    """What jobs have sent since the capture began."""

    def __init__(self, kept: Mapping[Signal, _Kept], collect: Callable[[], None]) -> None:
        self._kept = kept
        self._collect = collect

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in the order of their end."""
        return list(self._kept["traces"].items)

    @property
    def logs(self) -> list[Any]:
        """Log records as `opentelemetry._logs.LogRecord`, events among them, in the order of their emission."""
        return [readable.log_record for readable in self._kept["logs"].items]

    def span(self, name: str) -> ReadableSpan:
        """Return the only span of that name; AssertionError if there is none, or more than one."""
        return _only([span for span in self.spans if span.name == name], f"span {name!r}", [s.name for s in self.spans])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the attributes of every event of that name."""
        return [dict(record.attributes) for record in self.logs if record.event_name == name]

    def event(self, name: str) -> dict[str, Any]:
        """Return the attributes of the only event of that name; AssertionError if there is none, or more than one."""
        return _only(self.events(name), f"event {name!r}", [record.event_name for record in self.logs])

    def counter(self, name: str, **labels: str) -> float:
        """Return the sum of a counter over all series that have `labels`; 0 if there is none."""
        return float(sum(_value(point) for point in self._points(name, labels)))

    def histogram(self, name: str, **labels: str) -> tuple[int, float]:
        """Return count and sum of a histogram over all series that have `labels`."""
        points = list(self._points(name, labels))
        return sum(point.count for point in points), float(sum(point.sum for point in points))

    def maximum(self, name: str, **labels: str) -> float | None:
        """Return the greatest value of a maximum over all series that have `labels`; None if there is none."""
        return max((float(_value(point)) for point in self._points(name, labels)), default=None)

    def series(self, name: str) -> list[dict[str, str]]:
        """Return the labels of every series of a metric."""
        found = [_labels(point) for point in self._points(name, {})]
        return [labels for position, labels in enumerate(found) if labels not in found[:position]]

    def _points(self, name: str, labels: Mapping[str, str]) -> Iterator[Any]:
        self._collect()
        for resource in self._kept["metrics"].items:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name == name:
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    yield from (point for point in points if labels.items() <= _labels(point).items())


def _labels(point: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in point.attributes}


def _value(point: Any) -> float:
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double  # type: ignore[no-any-return]


@contextlib.contextmanager
def capture() -> Iterator[Captured]:
    """Capture what the jobs of this process send while the block runs, instead of sending it."""
    kept: dict[Signal, _Kept] = {"traces": _Kept(), "metrics": _Kept(), "logs": _Kept()}
    process = Telemetry(settings.read(), way_out=lambda signal: kept[signal])
    _see_spans()
    with replaced(process):
        yield Captured(kept, process.collect)


def _see_spans() -> None:
    """Let a tracer provider of the tests' own show its spans to us, too."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider) and not is_seen(provider):
        provider.add_span_processor(QueueProcessor())


def _only(found: list[Found], what: str, names: list[Any]) -> Found:
    if len(found) != 1:
        raise AssertionError(f"expected one {what}, found {len(found)}; there are: {', '.join(map(str, names)) or '-'}")
    return found[0]
