"""The endpoint of a signal: address and protocol, and a diagnosis where exports fail."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from batchtel.export.connection import Connection

if TYPE_CHECKING:
    from batchtel.schema.settings import Settings

Signal = Literal["traces", "metrics", "logs"]
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_PLAIN: Final = {
    "",
    "api",
    "collector",
    "default",
    "ingest",
    "insert",
    "intake",
    "logs",
    "metrics",
    "opentelemetry",
} | {*("otlp", "public", "push", "telemetry", "traces", "v1", "v2", "write")}
"""Parts of a path that are no token."""

_NAMED: Final = {"otlp_proto_grpc": GRPC, "otlp_proto_http": HTTP}
"""The exporters of OTEL_TRACES_EXPORTER and its like that name a protocol."""


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
            bare, given = url.strip("\"'"), f"{variable}={_shown(url)!r}"
            if bare.startswith(("http://", "https://")):
                raise ValueError(f"{given} is in quotes, so nothing is sent there; set {variable}={_shown(bare)}")
            if url.startswith("unix:"):
                raise ValueError(f"{given} is a Unix socket, so nothing is sent there; set {variable}=http://HOST:PORT")
            scheme, separator, rest = url.rpartition("://")
            wrong = f"has the scheme {scheme}, which is not http or https" if separator else "has no scheme"
            fix = f"{'https' if scheme == 'grpcs' else 'http'}://{rest.removeprefix('//')}"
            raise ValueError(
                f"{variable}={_shown(url)!r} {wrong}, so nothing is sent there; set {variable}={_shown(fix)}"
            )
        try:
            port, host = urlsplit(url).port, urlsplit(url).hostname
        except ValueError as error:
            # The error of a port quotes what stands there, which may be the beginning of a password.
            why = "its port is not a number below 65536" if str(error).startswith("Port") else str(error)
            raise ValueError(
                f"{variable}={_shown(url)!r} is not an address ({why}), so nothing is sent there"
            ) from None
        if not host:
            raise ValueError(f"{variable}={_shown(url)!r} has no host, so nothing is sent there")
        # As a template leaves it, such as http://collector..svc: a lookup raises no OSError for it, but a UnicodeError.
        if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise ValueError(
                f"{variable}={_shown(url)!r} is not an address (a part of its host is empty or too long), "
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

    @property
    def connection(self) -> Connection:
        """The settings that the exporter would read from the environment."""
        return Connection.of(self.signal, self.url, self.environ)

    @property
    def shown(self) -> str:
        """The address as it may stand in a log, without what in it may be a password or a token."""
        return _without_secrets(self.url) if not self.problem else "the collector"

    @property
    def shown_request(self) -> str:
        """The address of its requests as it may stand in a log: over HTTP with the path of the signal."""
        return self.shown if self.problem or self.is_grpc else _without_secrets(self.connection.url)

    @property
    def server(self) -> str:
        """Scheme, host and port, which signals may share."""
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"

    @property
    def _proxy(self) -> str:
        from batchtel.export.proxy import proxy_of

        return proxy_of(self.url, self.connection.proxies)

    def diagnose(self, timeout: float = 0.5) -> str:
        """Return why exports fail, by asking the port what it speaks; "" if that explains nothing.

        Sends the HTTP/2 preface with empty settings: a gRPC server answers with a SETTINGS frame, an HTTP/1.1 server
        with a status line. Over TLS nothing can be found.
        """
        address = urlsplit(self.url) if not self.problem else None
        if address is None or address.scheme != "http" or (not self.is_grpc and self._proxy):
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


def _without_secrets(url: str) -> str:
    address = urlsplit(url)
    parts = (part if part in _PLAIN else "[redacted]" for part in address.path.rstrip("/").split("/"))
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{'/'.join(parts)}"


def _shown(url: str) -> str:
    from batchtel.redact.addresses import shown

    return shown(url)


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
