"""The requests of one real job, to be sent again as those of other runs and jobs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from batchtel.cli.main import Failure
from batchtel_stack.ports import HOST
from benchmarks.programs import Endpoints
from benchmarks.spent import SCRIPTS, python

METRICS: Final = "/v1/metrics"
TRACES: Final = "/v1/traces"

_JOB: Final = b"nightly"
_UUID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one job has sent: path and protobuf body of each request, in their order; and the id of its trace."""

    requests: tuple[tuple[str, bytes], ...]
    trace_id: bytes

    @property
    def points(self) -> int:
        """Metric data points in all requests."""
        return sum(
            len(getattr(metric, metric.WhichOneof("data") or "gauge").data_points)
            for path, body in self.requests
            if path == METRICS
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )

    def run(self, number: int, job: int) -> Iterator[tuple[str, bytes]]:
        """Return the requests as those of run `number` of job `job`: every id is another one, of the same length.

        The lengths stay, so the bytes can be exchanged without encoding the request again.
        """
        name = b"j%06d" % job
        trace_id = (number + 1).to_bytes(len(self.trace_id), "big")
        for path, body in self.requests:
            other = body.replace(_JOB, name).replace(self.trace_id, trace_id)
            yield path, _UUID.sub(lambda found: found[0][:-12] + b"%012x" % number, other)

    def metrics_only(self) -> Recorded:
        """Return the requests with metrics alone."""
        return Recorded(tuple(request for request in self.requests if request[0] == METRICS), self.trace_id)


def record() -> Recorded:
    """Run the batchtel job of the benchmarks once and return what it has sent."""
    requests: list[tuple[str, bytes]] = []
    with _recorder(requests) as endpoints:
        python(SCRIPTS / "batchtel_job.py", variables=endpoints.variables("http/protobuf"))
    if {path for path, _ in requests} != {METRICS, TRACES, "/v1/logs"}:
        raise Failure(f"the job has sent {sorted(path for path, _ in requests)}, not all three signals", 3)
    spans = ExportTraceServiceRequest.FromString(dict(requests)[TRACES]).resource_spans[0].scope_spans[0].spans
    return Recorded(tuple(requests), bytes(spans[0].trace_id))


@contextmanager
def _recorder(requests: list[tuple[str, bytes]]) -> Iterator[Endpoints]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            requests.append((urlsplit(self.path).path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the base class's name
            """Print nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            url = f"http://{HOST}:{server.server_port}"
            yield Endpoints(url, url)
        finally:
            server.shutdown()
            thread.join()
