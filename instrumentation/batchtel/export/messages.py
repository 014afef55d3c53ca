"""The requests and responses of OTLP, as protobuf."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from batchtel.export.endpoint import Signal

_NAMES: Final = {"traces": ("trace", "Trace"), "metrics": ("metrics", "Metrics"), "logs": ("logs", "Logs")}


def encode_metrics(collections: list[Any]) -> bytes:
    """Encode ResourceMetrics of OTLP as an ExportMetricsServiceRequest."""
    return bytes(_message("metrics", "Request")(resource_metrics=collections).SerializeToString())


def request(signal: Signal) -> Any:
    """Return an empty ExportServiceRequest of `signal`."""
    return _message(signal, "Request")()


def is_request(signal: Signal, data: bytes) -> bool:
    """Whether `data` is an ExportServiceRequest of `signal` with something in it."""
    try:
        return bool(_message(signal, "Request").FromString(data).ListFields())
    except DecodeError:
        return False


def response(signal: Signal, data: bytes) -> Any:
    """Read an ExportServiceResponse of `signal`.

    Raises:
        google.protobuf.message.DecodeError: It is none.
    """
    return _message(signal, "Response").FromString(data)


def load(signal: Signal) -> None:
    """Import what reads the replies, and for metrics what encodes them."""
    response(signal, b"")


def method(signal: Signal) -> str:
    """Return the name of the gRPC method that exports `signal`."""
    package, name = _NAMES[signal]
    return f"/opentelemetry.proto.collector.{package}.v1.{name}Service/Export"


def _message(signal: Signal, kind: str) -> Any:
    package, name = _NAMES[signal]
    module = importlib.import_module(f"opentelemetry.proto.collector.{package}.v1.{package}_service_pb2")
    return getattr(module, f"Export{name}Service{kind}")
