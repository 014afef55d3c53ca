"""A receiver of OTLP over HTTP on a free loopback port, which keeps what arrives and can hang or refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.polling import until

Mode = Literal["ok", "unavailable", "hang", "redirect", "late", "swallow", "partial", "bad_request", "unauthorized"]

_STATUS: Final = {"unavailable": 503, "redirect": 302, "bad_request": 400, "unauthorized": 401}
_ACCEPTING: Final = {"ok", "late", "swallow", "partial"}

REQUESTS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True)
class Span:
    """One span; ids are hexadecimal, times nanoseconds."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    status: str
    message: str
    scope: str
    resource: dict[str, Any]


@dataclass(frozen=True)
class Log:
    """One log record; `event` is its event name, `scope` the logger's name, `time` in Unix nanoseconds."""

    event: str
    body: str
    severity: str
    attributes: dict[str, Any]
    trace_id: str
    span_id: str
    scope: str
    resource: dict[str, Any]
    time: int


@dataclass(frozen=True)
class Point:
    """One data point; `value` is a number, or for a histogram the count of values; `request` counts from 0."""

    metric: str
    unit: str
    kind: str
    temporality: str
    monotonic: bool
    attributes: dict[str, Any]
    value: float
    request: int
    sum: float = 0.0
    buckets: list[int] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    exemplar_trace_ids: list[str] = field(default_factory=list)


class Sink:
    """What has arrived so far; `mode` may be changed at any time.

    `hang` never answers; `late` reads the request and answers when `release` is set; `swallow` keeps the request and
    closes the connection without a reply; `partial` replies that it left 2 items out.
    """

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.answer = ("application/x-protobuf", b"")
        """Content type and content of its replies."""
        self.retry_after = ""
        self.location = "https://login.example:8443/sso?token=secret"
        self.requests: list[tuple[str, Any]] = []
        self.refused: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        self.url = ""

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def of(self, signal: str) -> list[Any]:
        """Return the accepted requests of `signal`: traces, metrics or logs."""
        return [message for path, message in list(self.requests) if path == f"/v1/{signal}"]

    def wait_refused(self, signal: str, times: int, timeout: float = 60.0) -> None:
        """Wait until requests of `signal` were refused so many times.

        Raises:
            TimeoutError: with how many were.
        """

        def refused() -> int:
            return sum(path == f"/v1/{signal}" for path, _ in list(self.refused))

        until(
            f"{times} refusals of {signal}", lambda: refused() >= times or None, timeout, lambda: f"{refused()} so far"
        )

    def spans(self) -> list[Span]:
        """Return every span, in order of arrival."""
        return [
            Span(
                span.name,
                span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                _attributes(span.attributes),
                [(event.name, _attributes(event.attributes)) for event in span.events],
                span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                span.status.message,
                scope.scope.name,
                _attributes(resource.resource.attributes),
            )
            for message in self.of("traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def span(self, name: str) -> Span:
        """Return the only span called `name`; AssertionError if there is none or another."""
        found = [span for span in self.spans() if span.name == name]
        assert len(found) == 1, f"{len(found)} spans are called {name}; spans: {[span.name for span in self.spans()]}"
        return found[0]

    def logs(self) -> list[Log]:
        """Return every log record, in order of arrival."""
        return [
            Log(
                record.event_name,
                record.body.string_value,
                record.severity_text,
                _attributes(record.attributes),
                record.trace_id.hex(),
                record.span_id.hex(),
                scope.scope.name,
                _attributes(resource.resource.attributes),
                record.time_unix_nano,
            )
            for message in self.of("logs")
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def events(self, name: str) -> list[Log]:
        """Return the events called `name`."""
        return [log for log in self.logs() if log.event == name]

    def event(self, name: str) -> Log:
        """Return the only event called `name`; AssertionError if there is none or another."""
        found = self.events(name)
        assert len(found) == 1, f"{len(found)} events are called {name}; events: {[log.event for log in self.logs()]}"
        return found[0]

    def wait_event(self, name: str, timeout: float = 20.0) -> Log:
        """Wait until an event called `name` has arrived, "" for a log record that is none, and return the first.

        Raises:
            TimeoutError: with what did arrive.
        """

        def arrived() -> str:
            return f"log records so far: {[log.event or log.body for log in self.logs()]}"

        return until(f"the event {name}", lambda: self.events(name) or None, timeout, arrived)[0]

    def points(self, metric: str = "") -> list[Point]:
        """Return every data point, or those of `metric`, in order of arrival."""
        return [
            point
            for number, message in enumerate(self.of("metrics"))
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for row in scope.metrics
            if metric in ("", row.name)
            for point in _points(row, number)
        ]

    def total(self, metric: str, **attributes: str) -> float:
        """Add up the points of `metric` that carry `attributes`; AssertionError if there is none."""
        values = [point.value for point in self.points(metric) if attributes.items() <= {**point.attributes}.items()]
        assert values, f"no point of {metric} with {attributes}; points: {self.points(metric)}"
        return sum(values)


def partial() -> bytes:
    """Encode field 1, partial_success, of every response: 2 rejected items, and why."""
    why = b"two points are too old"
    inner = bytes((8, 2, 18, len(why))) + why
    return bytes((10, len(inner))) + inner


def _points(metric: Any, request: int) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    temporality = {0: "UNSPECIFIED", 1: "DELTA", 2: "CUMULATIVE"}[getattr(data, "aggregation_temporality", 0)]
    for point in data.data_points:
        common = (metric.name, metric.unit, kind, temporality, getattr(data, "is_monotonic", False))
        exemplars = [exemplar.trace_id.hex() for exemplar in point.exemplars]
        if kind == "histogram":
            yield Point(
                *common,
                _attributes(point.attributes),
                point.count,
                request,
                point.sum,
                list(point.bucket_counts),
                list(point.explicit_bounds),
                exemplars,
            )
        else:
            value = getattr(point, point.WhichOneof("value"))
            yield Point(*common, _attributes(point.attributes), value, request, exemplar_trace_ids=exemplars)


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextmanager
def running(port: int = 0) -> Iterator[Sink]:
    """Listen on `port`, by default any free one, until the block ends."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name that http.server calls
            content = self.rfile.read(int(self.headers["Content-Length"]))
            message = REQUESTS[self.path].FromString(content)
            sink.headers.append(dict(self.headers))
            if sink.mode == "hang":
                sink.release.wait()
                self.close_connection = True
                return
            mode = sink.mode
            if mode == "late":
                sink.release.wait()
            (sink.requests if mode in _ACCEPTING else sink.refused).append((self.path, message))
            if mode == "swallow":
                self.close_connection = True
                return
            body = partial() if mode == "partial" else sink.answer[1]
            self.send_response(_STATUS.get(mode, 200))
            if mode == "redirect":
                self.send_header("Location", sink.location)
            if sink.retry_after:
                self.send_header("Retry-After", sink.retry_after)
            if sink.answer[0]:
                self.send_header("Content-Type", sink.answer[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that http.server gives it
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Print nothing: a job that gives up on a hanging collector closes its connection."""

    server = Server(("127.0.0.1", port), Handler)
    sink.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="sink", daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
