"""The private names of OpenTelemetry that batchtel relies on, each with its reason: the whole list.

A test compares it with the code, and with the installed version; `make test-versions` runs that on the oldest version
that pyproject.toml allows, too.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Internal(NamedTuple):
    """A private name: `owner` is the module or `module:Class` that has it; `used_in` are modules of batchtel."""

    owner: str
    name: str
    reason: str
    used_in: tuple[str, ...]


INTERNALS: Final = (
    Internal(
        "opentelemetry",
        "_logs",
        "the API of logs has no other module: the signal is not declared stable in Python",
        ("auto.instrumentor", "telemetry.events", "telemetry.job_record", "telemetry.logs"),
    ),
    Internal(
        "opentelemetry.sdk",
        "_logs",
        "the SDK of logs has no other module, for the same reason",
        ("auto.instrumentor", "export.encoder", "telemetry.events", "telemetry.logs", "telemetry.providers"),
    ),
    Internal(
        "opentelemetry.context",
        "_SUPPRESS_INSTRUMENTATION_KEY",
        "instrumented HTTP clients make spans of exports but where this key is set; the SDK's own exporters set it",
        ("export.worker",),
    ),
    Internal(
        "opentelemetry.sdk.trace:TracerProvider",
        "_active_span_processor",
        "no public way shows which span processors a provider has that the job has made",
        ("airflow.listener", "telemetry.spans"),
    ),
    Internal(
        "opentelemetry.sdk.trace:SynchronousMultiSpanProcessor",
        "_span_processors",
        "the processors of the one above",
        ("airflow.listener", "telemetry.spans"),
    ),
    Internal(
        "opentelemetry.exporter.otlp.proto.grpc.trace_exporter:OTLPSpanExporter",
        "_endpoint",
        "no public way shows where an exporter of Airflow sends its spans to",
        ("airflow.listener",),
    ),
    Internal(
        "opentelemetry.util",
        "_importlib_metadata",
        "OpenTelemetry looks up its own parts there, which fails on a disk that is faked",
        ("telemetry.sdk_metadata",),
    ),
    Internal(
        "opentelemetry.util._importlib_metadata",
        "_original_entry_points_cached",
        "what is found on a faked disk is kept there, and would be found afterwards, too",
        ("telemetry.sdk_metadata",),
    ),
)
