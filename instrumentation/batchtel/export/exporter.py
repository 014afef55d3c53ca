"""The stock exporter of an endpoint: imported when it is needed, and built with the settings that were read."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from batchtel.base import native
from batchtel.export.endpoint import GRPC, HTTP, Endpoint

_EXPORTERS: Final = {
    (GRPC, "traces"): "grpc.trace_exporter:OTLPSpanExporter",
    (GRPC, "metrics"): "grpc.metric_exporter:OTLPMetricExporter",
    (GRPC, "logs"): "grpc._log_exporter:OTLPLogExporter",
    (HTTP, "traces"): "http.trace_exporter:OTLPSpanExporter",
    (HTTP, "metrics"): "http.metric_exporter:OTLPMetricExporter",
    (HTTP, "logs"): "http._log_exporter:OTLPLogExporter",
}
_importing = native.Lock()


def build(endpoint: Endpoint, timeout: float) -> tuple[Any, Any]:
    """Build the stock exporter, and the listener that reads its replies; None if there is no place for one.

    Only the protocol in use is imported: requests costs 87 ms of start-up, grpcio 59 ms and 12 MB.

    Raises:
        OSError: A certificate cannot be read.
    """
    with _importing:
        return _grpc(endpoint, timeout) if endpoint.is_grpc else _http(endpoint, timeout)


def _http(endpoint: Endpoint, timeout: float) -> tuple[Any, Any]:
    make, way = _load(endpoint), endpoint.connection
    from opentelemetry.exporter.otlp.proto.http import Compression

    own = {"endpoint": way.url, "timeout": timeout, "compression": Compression(way.compression)}
    if way.has_provider:
        # The user's own session, which a session of ours would keep out.
        return make(**own), None
    from batchtel.export.delivery_http import HttpListener, Session

    listener = HttpListener(endpoint.signal)
    session = Session(listener, way, way.later_headers(endpoint.signal))
    return make(**own, headers=way.header_pairs, session=session), listener


def _grpc(endpoint: Endpoint, timeout: float) -> tuple[Any, Any]:
    with quiet_grpc():
        make, way = _load(endpoint), endpoint.connection
        from batchtel.export.delivery_grpc import GrpcListener, Headers, compression, listen

        own = {"endpoint": endpoint.url, "timeout": timeout, "compression": compression(way.compression)}
        if not way.has_provider:
            own |= {"insecure": way.is_insecure, "headers": Headers(way.header_pairs.items())}
            own["credentials"] = None if way.is_insecure else way.credentials()
        exporter, listener = make(**own), GrpcListener(endpoint.signal)
        return exporter, listener if listen(exporter, listener) else None


def load(endpoint: Endpoint) -> None:
    """Import the exporter, and all that it needs to send and to spool."""
    with _importing:
        _load(endpoint)


def _load(endpoint: Endpoint) -> Any:
    if endpoint.environ.get("BATCHTEL_SPOOL_DIR"):
        importlib.import_module("batchtel.export.otlp_json")
    with quiet_grpc() if endpoint.is_grpc else contextlib.nullcontext():
        importlib.import_module("batchtel.export.delivery_" + ("grpc" if endpoint.is_grpc else "http"))
    module, _, name = _EXPORTERS[endpoint.protocol, endpoint.signal].partition(":")
    return getattr(importlib.import_module("opentelemetry.exporter.otlp.proto." + module), name)


_has_imported_grpc = False


@contextlib.contextmanager
def quiet_grpc() -> Iterator[None]:
    """Let gRPC write nothing to stderr, unless the job uses it itself or has chosen: it logs forks and TLS.

    Its C code reads the variable once; `os.environ`, which the job may look at, stays as it is.
    """
    global _has_imported_grpc
    variable = "GRPC_VERBOSITY"
    if variable in os.environ or ("grpc" in sys.modules and not _has_imported_grpc):
        yield
        return
    _has_imported_grpc = True
    os.putenv(variable, "NONE")
    try:
        yield
    finally:
        os.unsetenv(variable)


_FORK_PATIENCE: Final = 10.0
"""Longest time that a fork waits for an import; it lasts 0.1 to 0.5 s, and lasted over 2 s on a machine at load 10."""


def _before_fork() -> None:
    # A child that is forked while our thread imports requests can never import it: the module's lock stays held.
    global _held
    _held = _importing.acquire(timeout=_FORK_PATIENCE)


def _after_fork() -> None:
    if _held:
        _importing.release()


def _after_fork_in_child() -> None:
    global _importing
    _importing = native.Lock()


_held = False
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
