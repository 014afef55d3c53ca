"""Where a signal goes and in which protocol, and what is wrong when it does not arrive there."""

from __future__ import annotations

import importlib
import os
import socket
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from batchtel import native

if TYPE_CHECKING:
    from batchtel.settings import Settings

Signal = Literal["traces", "metrics", "logs"]
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_EXPORTERS: Final = {
    (GRPC, "traces"): "grpc.trace_exporter:OTLPSpanExporter",
    (GRPC, "metrics"): "grpc.metric_exporter:OTLPMetricExporter",
    (GRPC, "logs"): "grpc._log_exporter:OTLPLogExporter",
    (HTTP, "traces"): "http.trace_exporter:OTLPSpanExporter",
    (HTTP, "metrics"): "http.metric_exporter:OTLPMetricExporter",
    (HTTP, "logs"): "http._log_exporter:OTLPLogExporter",
}
_PROVIDER: Final = "_CREDENTIAL_PROVIDER"
_importing = native.Lock()


class Endpoint(NamedTuple):
    """Where one signal goes: the address as the variable gives it, and the protocol to speak there.

    `problem` is why nothing can be sent there at all.
    """

    signal: Signal
    url: str
    protocol: str
    problem: str = ""

    @classmethod
    def of(cls, signal: Signal, settings: Settings) -> Endpoint | None:
        """Read the endpoint of `signal` from the settings; None if it has none.

        Without a protocol variable port 4317 means gRPC and anything else HTTP, as the specification's default ports
        say (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port).

        Raises:
            ValueError: The protocol is unknown, or the address is none; the text names the variable and the fix.
        """
        url: str = getattr(settings, f"{signal}_endpoint")
        protocol: str = getattr(settings, f"{signal}_protocol").lower()
        if not url:
            return None
        variable = settings.sources[f"{signal}_endpoint"]
        if not url.startswith(("http://", "https://")):
            scheme, separator, rest = url.rpartition("://")
            wrong = f"has the scheme {scheme}, which is not http or https" if separator else "has no scheme"
            fix = f"{'https' if scheme == 'grpcs' else 'http'}://{rest.removeprefix('//')}"
            raise ValueError(f"{variable}={url!r} {wrong}, so nothing is sent there; set {variable}={fix}")
        try:
            port, host = urlsplit(url).port, urlsplit(url).hostname
        except ValueError as error:
            raise ValueError(f"{variable}={url!r} is no address ({error}), so nothing is sent there") from None
        if not host:
            raise ValueError(f"{variable}={url!r} names no host, so nothing is sent there")
        # As a template leaves it, such as http://collector..svc: a lookup raises no OSError for it, but a UnicodeError.
        if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise ValueError(
                f"{variable}={url!r} is no address (a part of its host is empty or too long), so nothing is sent there"
            )
        if not protocol:
            protocol = GRPC if port == 4317 else HTTP
        if protocol not in (GRPC, HTTP):
            variable = settings.sources[f"{signal}_protocol"]
            raise ValueError(
                f"{variable}={protocol!r} is not one of grpc, http/protobuf, so nothing is sent; set "
                f"{variable}=http/protobuf, or grpc for port 4317"
            )
        return cls(signal, url, protocol)

    def exporter(self, timeout: float) -> tuple[Any, Any]:
        """Build the stock exporter, and the listener that hears its replies; None if there is no place for one.

        The exporter reads headers, certificates and compression from the environment itself. Only the protocol in use
        is imported: requests costs 87 ms of start-up, grpcio 59 ms and 12 MB.
        """
        with _importing:
            if os.environ.get("BATCHTEL_SPOOL_DIR"):
                importlib.import_module("batchtel.otlp_json")
            module, _, name = _EXPORTERS[self.protocol, self.signal].partition(":")
            make = getattr(importlib.import_module("opentelemetry.exporter.otlp.proto." + module), name)
            if self.protocol == GRPC:
                from batchtel.delivery_grpc import GrpcListener, listen

                exporter, hears = make(timeout=timeout), GrpcListener(self.signal)
                return exporter, hears if listen(exporter, hears) else None
            from batchtel.delivery_http import HttpListener, Session

            if any(variable.endswith(_PROVIDER) and os.environ[variable] for variable in os.environ):
                # The user's own session, which a session of ours would keep out.
                return make(timeout=timeout), None
            listener = HttpListener(self.signal)
            return make(timeout=timeout, session=Session(listener)), listener

    @property
    def shown(self) -> str:
        """The address as it may stand in a log: scheme, host and port, for the rest may hold a password or a token."""
        if self.problem:
            return "the collector"
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"

    def diagnose(self, timeout: float = 0.5) -> str:
        """Tell why exports fail, by asking the port what it speaks; "" if that explains nothing.

        Sends the HTTP/2 preface with empty settings: a gRPC server answers with a SETTINGS frame, an HTTP/1.1 server
        with a status line. Over TLS nothing can be told.
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


_FORK_PATIENCE: Final = 10.0
"""Longest time that a fork waits for an import; it takes 0.1 to 0.5 s, and took over 2 s on a machine at load 10."""


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
