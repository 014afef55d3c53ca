"""Airflow's own trace of a DAG run, which is used where Airflow's tracing is on."""

from __future__ import annotations

import re
from typing import Any, Final

from batchtel.base.guard import harmless, warn_once
from batchtel.runs.airflow_process import makes_spans
from batchtel.schema import settings

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(carrier: Any) -> str:
    """Return the W3C traceparent in `carrier`, a column `context_carrier`; empty text where Airflow makes no spans.

    Without spans of its own Airflow fills the column all the same, with flags that no sampler has set: "not sampled"
    in 3.3, "sampled" in 3.2.
    """
    found = str(carrier.get("traceparent")) if hasattr(carrier, "get") and makes_spans() else ""
    return found if _TRACEPARENT.fullmatch(found) else ""


LOST: Final = (
    "Airflow sends its own spans by gRPC to %s, where HTTP is expected, and all of them are lost: set "
    "OTEL_TRACES_EXPORTER=otlp_proto_http for all processes of Airflow"
)


@harmless(None)
def warn_of_lost() -> None:
    """Warn once where Airflow's own spans are sent by gRPC to a port of HTTP.

    From 3.2 on Airflow uses the SDK's exporter `otlp`, which is gRPC's, and reads no OTEL_EXPORTER_OTLP_PROTOCOL.
    """
    if not makes_spans():
        return
    from opentelemetry import trace

    from batchtel.export.endpoint import GRPC, Endpoint

    own = Endpoint.of("traces", settings.read())
    processors = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    for processor in getattr(processors, "_span_processors", ()):
        exporter = getattr(processor, "span_exporter", None)
        by_grpc = ".proto.grpc." in type(exporter).__module__
        address = str(getattr(exporter, "_endpoint", ""))
        if by_grpc and own is not None and own.protocol != GRPC and address and address in own.url:
            warn_once("airflow:grpc", LOST, address)
