"""Ids of the trace and the span of a DAG run, which every process of it finds by itself: hashes of Airflow's names."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple


class SpanIds(NamedTuple):
    """A trace id of 128 bits, a span id of 64 bits, and W3C trace flags: 1 if the trace is recorded, else 0."""

    trace_id: int
    span_id: int
    flags: int


def of_dag_run(dag_id: str, run_id: str, traceparent: str) -> SpanIds:
    """Return the ids of our span of a DAG run; `traceparent` is Airflow's own, if it has one: then its trace is used.

    The service with its namespace and environment is part of the trace id: the same scheduled run of the same DAG is in
    staging and in production, and in two Airflows of one environment.
    """
    span_id = bits_of(8, "run", dag_id, run_id)
    if traceparent:
        _, trace_id, _, flags = traceparent.split("-")
        return SpanIds(int(trace_id, 16), span_id, int(flags, 16) & 1)
    return SpanIds(bits_of(16, *_service(), dag_id, run_id), span_id, 1)


def unrecorded(own: SpanIds) -> Any:
    """Return a span of these ids that is recorded elsewhere, to nest others below it."""
    from opentelemetry import trace

    flags = trace.TraceFlags(own.flags)
    return trace.NonRecordingSpan(trace.SpanContext(own.trace_id, own.span_id, is_remote=False, trace_flags=flags))


def bits_of(count: int, *names: str) -> int:
    """Return `count` bytes of the hash of `names` as a number above 0, which OpenTelemetry asks for."""
    digest = hashlib.sha256("\0".join(("batchtel", *names)).encode()).digest()
    return int.from_bytes(digest[:count], "big") or 1


def _service() -> tuple[str, str, str]:
    """Return environment, namespace and name of the service, as OpenTelemetry's variables have them; else empty."""
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    name = os.environ.get("OTEL_SERVICE_NAME") or found.get("service.name", "")
    return found.get("deployment.environment.name", ""), found.get("service.namespace", ""), name
