"""Ids of traces and spans that every process of a DAG run finds by itself: hashes of what Airflow calls things."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from batchtel.airflow.facts import Task


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
    span_id = _bits(8, "run", dag_id, run_id)
    if traceparent:
        _, trace_id, _, flags = traceparent.split("-")
        return SpanIds(int(trace_id, 16), span_id, int(flags, 16) & 1)
    return SpanIds(_bits(16, *_service(), dag_id, run_id), span_id, 1)


def of_rerun(root: SpanIds, started_at: float) -> SpanIds:
    """Return the ids of the span of a DAG run that was cleared and has started again, at a Unix time.

    Its tasks know the span of its first time only, `root`, below which this one is, too.
    """
    return root._replace(span_id=_bits(8, "rerun", format(root.span_id, "x"), repr(started_at)))


def of_task(task: Task) -> SpanIds:
    """Return the ids of the span of one attempt, the same wherever and however often the attempt goes on."""
    key = (task.dag_id, task.run_id, task.task_id, str(task.map_index), str(task.try_number))
    return of_dag_run(task.dag_id, task.run_id, task.traceparent)._replace(span_id=_bits(8, "task", *key))


def unrecorded(own: SpanIds) -> Any:
    """Return a span of these ids that is told elsewhere, to nest others below it."""
    from opentelemetry import trace

    flags = trace.TraceFlags(own.flags)
    return trace.NonRecordingSpan(trace.SpanContext(own.trace_id, own.span_id, is_remote=False, trace_flags=flags))


def _bits(count: int, *names: str) -> int:
    """Return `count` bytes as a number above 0, which OpenTelemetry asks for."""
    digest = hashlib.sha256("\0".join(("batchtel", *names)).encode()).digest()
    return int.from_bytes(digest[:count], "big") or 1


def _service() -> tuple[str, str, str]:
    """Return environment, namespace and name of the service, as OpenTelemetry's variables have them; else empty."""
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    name = os.environ.get("OTEL_SERVICE_NAME") or found.get("service.name", "")
    return found.get("deployment.environment.name", ""), found.get("service.namespace", ""), name
