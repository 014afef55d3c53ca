"""Imports for task processes, made in the process that they are forked from, once for all tasks.

Ten tasks that start and fail at once on two cores would all import at the same time, and not be done with it when their
last flush ends. Imports only: no thread, no connection and no provider is made before a fork.
"""

from __future__ import annotations

import importlib
from typing import Final

from batchtel.schema import settings

_ALWAYS: Final = (
    "batchtel.airflow.scheduler_hooks",
    "batchtel.airflow.task_attempt",
    "batchtel.export.delivery",
    "batchtel.export.encoder",
    "batchtel.telemetry.events",
    "batchtel.telemetry.logs",
    "batchtel.telemetry.metrics",
    "batchtel.telemetry.spans",
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
)

_HTTP: Final = ("batchtel.export.http_client",)
"""gRPC is left out: its library does more at import than to define things, which a fork must not find begun."""


def preload() -> None:
    """Import what this process and those that it forks will need, the second time for nothing."""
    own = settings.read()
    uses_grpc = "grpc" in (own.traces_protocol, own.metrics_protocol, own.logs_protocol)
    for module in _ALWAYS if uses_grpc else _ALWAYS + _HTTP:
        importlib.import_module(module)
