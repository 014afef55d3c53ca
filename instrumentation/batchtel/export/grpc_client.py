"""A client of one OTLP/gRPC endpoint: one attempt a call, with the collector's own reply.

The stock exporters resend by themselves and accept neither a channel nor interceptors (opentelemetry-python 1.40 to
1.45), so what the collector answers could be read only by replacing private parts of them.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from batchtel.export.connection import Connection
from batchtel.export.endpoint import Signal
from batchtel.export.messages import method
from batchtel.export.reply import Reply, Verdict, accepted, shown
from batchtel.version import __version__

_FOR_GOOD: Final = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
}
"""As the specification has it, but INTERNAL and UNKNOWN, which servers also send while they start or stop, are retried
(https://opentelemetry.io/docs/specs/otlp/#failures)."""

_MISDIRECTED: Final = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""Those of wrong credentials and wrong addresses: a setting cures them, and what was sent is fine."""

_COMPRESSIONS: Final = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}

_OPTIONS: Final = (("grpc.primary_user_agent", f"batchtel/{__version__}"),)


class GrpcClient:
    """Sends requests of one signal to `url`, each within `timeout` seconds; without `credentials` in plain text."""

    def __init__(self, signal: Signal, url: str, way: Connection, timeout: float, credentials: Any) -> None:
        self._signal = signal
        self._address = urlsplit(url).netloc
        self._timeout = timeout
        self._credentials = credentials
        self._headers = tuple(way.header_pairs.items())
        self._compression = _COMPRESSIONS.get(way.compression, grpc.Compression.NoCompression)
        self._connect()

    def _connect(self) -> None:
        own = {"compression": self._compression, "options": _OPTIONS}
        self._channel = (
            grpc.insecure_channel(self._address, **own)
            if self._credentials is None
            else grpc.secure_channel(self._address, self._credentials, **own)
        )
        # Without serializers: what is sent and what comes back are bytes.
        self._export = self._channel.unary_unary(method(self._signal))

    def send(self, body: bytes) -> Reply:
        """Send one request, and return what became of it."""
        try:
            return accepted(self._signal, self._export(body, timeout=self._timeout, metadata=self._headers))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                # A channel that has failed waits up to two minutes until it connects again.
                self._channel.close()
                self._connect()
            return _judged(error)


def _judged(error: Any) -> Reply:
    """Return the reply of one failed call."""
    code = error.code()
    wait = retry_delay(error)
    # Without a time to wait it is a request beyond the size limit, which stays too large.
    exhausted = code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is None
    reason = f"gRPC {code.name}: {shown(error.details() or '')}".rstrip(": ")
    verdict: Verdict = "refused" if exhausted or code in _FOR_GOOD else "retry"
    return Reply(verdict, reason, wait or 0.0, is_misdirected=code in _MISDIRECTED)


def retry_delay(error: Any) -> float | None:
    """Return the seconds of the RetryInfo among the details of a failed call; None if it has none."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        info = RetryInfo()
        try:
            if any(detail.Unpack(info) for detail in Status.FromString(value).details):
                return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9))
        except DecodeError:
            return None
    return None
