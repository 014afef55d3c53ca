"""Where a signal goes and in which protocol, and what is wrong when it does not arrive there."""

from __future__ import annotations

import importlib
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one signal goes: the address as the variable gives it, and the protocol to speak there."""

    signal: Signal
    url: str
    protocol: str

    @classmethod
    def of(cls, signal: Signal, settings: Settings) -> Endpoint | None:
        """Read the endpoint of `signal` from the settings; None if it has none.

        Without a protocol variable port 4317 means gRPC and anything else HTTP, as the specification's default ports
        say (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port).

        Raises:
            ValueError: The protocol is unknown, or the address has no scheme; the text names the variable and the fix.
        """
        url: str = getattr(settings, f"{signal}_endpoint")
        protocol: str = getattr(settings, f"{signal}_protocol").lower()
        if not url:
            return None
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"the OTLP endpoint {url!r} has no scheme, so no {signal} are sent; "
                f"set OTEL_EXPORTER_OTLP_ENDPOINT=http://{url.removeprefix('//')}"
            )
        if not protocol:
            protocol = GRPC if urlsplit(url).port == 4317 else HTTP
        if protocol not in (GRPC, HTTP):
            raise ValueError(
                f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r} is not one of grpc, http/protobuf, so no {signal} are sent"
            )
        return cls(signal, url, protocol)

    def exporter(self, timeout: float) -> Any:
        """Build the stock exporter; it reads headers, certificates and compression from the environment itself.

        Only the protocol in use is imported: requests costs 87 ms of start-up, grpcio 59 ms and 12 MB.
        """
        module, _, name = _EXPORTERS[self.protocol, self.signal].partition(":")
        return getattr(importlib.import_module("opentelemetry.exporter.otlp.proto." + module), name)(timeout=timeout)

    def diagnose(self, timeout: float = 0.5) -> str:
        """Tell why exports fail, by asking the port what it speaks; "" if that explains nothing.

        Sends the HTTP/2 preface with empty settings: a gRPC server answers with a SETTINGS frame, an HTTP/1.1 server
        with a status line. Over TLS nothing can be told.
        """
        address = urlsplit(self.url)
        if address.scheme != "http":
            return ""
        try:
            speaks = _protocol_of(address.hostname or "localhost", address.port or 80, timeout)
        except OSError as error:
            return f"nothing answers on {address.netloc} ({error.strerror or error})"
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
