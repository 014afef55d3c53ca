"""The endpoint of a signal: address and protocol, and a diagnosis where exports fail."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from batchtel.base import native
from batchtel.export.connection import Connection

if TYPE_CHECKING:
    from batchtel.schema.settings import Settings

Signal = Literal["traces", "metrics", "logs"]
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_NAMED: Final = {"otlp_proto_grpc": GRPC, "otlp_proto_http": HTTP}
"""The exporters of OTEL_TRACES_EXPORTER and its like that name a protocol."""

_EXPORTERS: Final = {
    (GRPC, "traces"): "grpc.trace_exporter:OTLPSpanExporter",
    (GRPC, "metrics"): "grpc.metric_exporter:OTLPMetricExporter",
    (GRPC, "logs"): "grpc._log_exporter:OTLPLogExporter",
    (HTTP, "traces"): "http.trace_exporter:OTLPSpanExporter",
    (HTTP, "metrics"): "http.metric_exporter:OTLPMetricExporter",
    (HTTP, "logs"): "http._log_exporter:OTLPLogExporter",
}
_importing = native.Lock()


class Endpoint(NamedTuple):
    """The endpoint of one signal: the address as in its variable, and the protocol.

    `problem` is why nothing can be sent there at all.
    """

    signal: Signal
    url: str
    protocol: str
    problem: str = ""
    environ: Mapping[str, str] = os.environ
    """The settings of the connection, as they were when the settings were read."""

    @classmethod
    def of(cls, signal: Signal, settings: Settings) -> Endpoint | None:
        """Read the endpoint of `signal` from the settings; None if it has none, or is switched off.

        Without a protocol variable port 4317 means gRPC and anything else HTTP, as the specification's default ports
        are (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port).

        Raises:
            ValueError: The protocol is unknown, or the address is none; the text names the variable and the fix.
        """
        url: str = getattr(settings, f"{signal}_endpoint")
        protocol: str = getattr(settings, f"{signal}_protocol").lower()
        if not url or signal not in settings.wanted:
            return None
        exporters = settings.exporters(signal)
        if not protocol:
            protocol = next((_NAMED[name] for name in exporters if name in _NAMED), "")
        variable = settings.sources[f"{signal}_endpoint"]
        if not url.startswith(("http://", "https://")):
            scheme, separator, rest = url.rpartition("://")
            wrong = f"has the scheme {scheme}, which is not http or https" if separator else "has no scheme"
            fix = f"{'https' if scheme == 'grpcs' else 'http'}://{rest.removeprefix('//')}"
            raise ValueError(f"{variable}={url!r} {wrong}, so nothing is sent there; set {variable}={fix}")
        try:
            port, host = urlsplit(url).port, urlsplit(url).hostname
        except ValueError as error:
            raise ValueError(f"{variable}={url!r} is not an address ({error}), so nothing is sent there") from None
        if not host:
            raise ValueError(f"{variable}={url!r} has no host, so nothing is sent there")
        # As a template leaves it, such as http://collector..svc: a lookup raises no OSError for it, but a UnicodeError.
        if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise ValueError(
                f"{variable}={url!r} is not an address (a part of its host is empty or too long), "
                "so nothing is sent there"
            )
        if not protocol:
            protocol = GRPC if port == 4317 else HTTP
        if protocol not in (GRPC, HTTP):
            variable = settings.sources[f"{signal}_protocol"]
            raise ValueError(
                f"{variable}={protocol!r} is not one of grpc, http/protobuf, so nothing is sent; set "
                f"{variable}=http/protobuf, or grpc for port 4317"
            )
        return cls(signal, url, protocol, environ=settings.environment)

    @property
    def is_grpc(self) -> bool:
        """Whether it speaks gRPC, and not HTTP."""
        return self.protocol == GRPC

    def exporter(self, timeout: float) -> tuple[Any, Any]:
        """Build the stock exporter, and the listener that reads its replies; None if there is no place for one.

        Only the protocol in use is imported: requests costs 87 ms of start-up, grpcio 59 ms and 12 MB.

        Raises:
            OSError: A certificate cannot be read.
        """
        with _importing:
            return self._grpc_exporter(timeout) if self.is_grpc else self._http_exporter(timeout)

    def _http_exporter(self, timeout: float) -> tuple[Any, Any]:
        make, way = self._load(), self.connection
        from opentelemetry.exporter.otlp.proto.http import Compression

        own = {"endpoint": way.url, "timeout": timeout, "compression": Compression(way.compression)}
        if way.has_provider:
            # The user's own session, which a session of ours would keep out.
            return make(**own), None
        from batchtel.export.delivery_http import HttpListener, Session

        listener = HttpListener(self.signal)
        session = Session(listener, way, way.later_headers(self.signal))
        return make(**own, headers=way.header_pairs, session=session), listener

    def _grpc_exporter(self, timeout: float) -> tuple[Any, Any]:
        with quiet_grpc():
            make, way = self._load(), self.connection
            from batchtel.export.delivery_grpc import GrpcListener, Headers, compression, listen

            own = {"endpoint": self.url, "timeout": timeout, "compression": compression(way.compression)}
            if not way.has_provider:
                own |= {"insecure": way.is_insecure, "headers": Headers(way.header_pairs.items())}
                own["credentials"] = None if way.is_insecure else way.credentials()
            exporter, listener = make(**own), GrpcListener(self.signal)
            return exporter, listener if listen(exporter, listener) else None

    def load(self) -> None:
        """Import the exporter, and all that it needs to send and to spool."""
        with _importing:
            self._load()

    def _load(self) -> Any:
        if self.environ.get("BATCHTEL_SPOOL_DIR"):
            importlib.import_module("batchtel.export.otlp_json")
        with quiet_grpc() if self.is_grpc else contextlib.nullcontext():
            importlib.import_module("batchtel.export.delivery_" + ("grpc" if self.is_grpc else "http"))
        module, _, name = _EXPORTERS[self.protocol, self.signal].partition(":")
        return getattr(importlib.import_module("opentelemetry.exporter.otlp.proto." + module), name)

    @property
    def connection(self) -> Connection:
        """The settings that the exporter would read from the environment."""
        return Connection.of(self.signal, self.url, self.environ)

    @property
    def shown(self) -> str:
        """The address as it may stand in a log: scheme, host and port, for the rest may hold a password or a token."""
        if self.problem:
            return "the collector"
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"

    def diagnose(self, timeout: float = 0.5) -> str:
        """Return why exports fail, by asking the port what it speaks; "" if that explains nothing.

        Sends the HTTP/2 preface with empty settings: a gRPC server answers with a SETTINGS frame, an HTTP/1.1 server
        with a status line. Over TLS nothing can be found.
        """
        address = urlsplit(self.url) if not self.problem else None
        if address is None or address.scheme != "http":
            return ""
        try:
            speaks = _protocol_of(address.hostname or "localhost", address.port or 80, timeout)
        except OSError as error:
            return f"nothing answers on {address.netloc.rpartition('@')[2]} ({error.strerror or error})"
        if speaks and speaks != self.protocol:
            other = 4317 if self.protocol == GRPC else 4318
            return (
                f"port {address.port} speaks {speaks}, not {self.protocol}: set OTEL_EXPORTER_OTLP_PROTOCOL={speaks} "
                f"or use the collector's {self.protocol} port (usually {other})"
            )
        return ""


def _protocol_of(host: str, port: int, timeout: float) -> str:
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        try:
            answer = connection.recv(9)
        except TimeoutError:
            return ""
    if answer.startswith(b"HTTP/1"):
        return HTTP
    return GRPC if len(answer) > 3 and answer[3] == 4 else ""


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
