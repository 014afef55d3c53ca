"""The replies of an OTLP/gRPC endpoint, read by an interceptor between the stock exporter and its channel.

The gRPC exporters accept neither a channel nor interceptors. Relied on, and watched by a test: they make their client
by `self._stub(self._channel)` and keep it in `self._client` (1.40 to 1.45). If that changes, only success or failure
is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from batchtel.export.reply import Listener, Reply, Verdict, shown

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

_NEVER: Final = RetryInfo()
_NEVER.retry_delay.seconds = 30 * 86400


class GrpcListener(Listener):
    """Reads the replies of one signal's requests over gRPC."""

    def read(self, error: Any) -> None:
        """Judge one failed call."""
        code = error.code()
        wait = retry_delay(error)
        # Without a time to wait it is a request beyond the size limit, which stays too large.
        exhausted = code is grpc.StatusCode.RESOURCE_EXHAUSTED and wait is None
        reason = f"gRPC {code.name}: {shown(error.details() or '')}".rstrip(": ")
        verdict: Verdict = "refused" if exhausted or code in _FOR_GOOD else "retry"
        self.reply = Reply(verdict, reason, wait or 0.0, is_misdirected=code in _MISDIRECTED)


class Interceptor(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]  # grpc has no types
    """Reports the outcome of every call to its listener."""

    def __init__(self, listener: GrpcListener) -> None:
        self._listener = listener

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Make the call, or that of the request that replaces it.

        Raises:
            NoRetry: The call failed.
        """
        call = continuation(details, self._listener.replacement or request)
        error = call.exception()
        if error is None:
            self._listener.accepted(call.result())
            return call
        self._listener.read(error)
        raise NoRetry(error)


class NoRetry(grpc.RpcError):  # type: ignore[misc,unused-ignore]  # grpc has no types
    """A failed call, to the exporter: it makes a new channel if it would have, but waits for nothing."""

    def __init__(self, error: Any) -> None:
        super().__init__()
        self._error = error

    def code(self) -> Any:
        """Return the status code of the call."""
        return self._error.code()

    def details(self) -> Any:
        """Return the message of the server."""
        return self._error.details()

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Return a time to wait that no deadline allows, so that the exporter gives up."""
        return (("google.rpc.retryinfo-bin", _NEVER.SerializeToString()),)


class Headers(tuple[tuple[str, str], ...]):
    """Headers of every call; also where there are none the exporters look for no others in the environment."""

    def __bool__(self) -> bool:
        return True


def compression(name: str) -> Any:
    """Return gRPC's constant for `none`, `gzip` or `deflate`."""
    return {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}.get(
        name, grpc.Compression.NoCompression
    )


def listen(exporter: Any, listener: GrpcListener) -> bool:
    """Put `listener` between a stock exporter and its channel; False if this SDK has no place for it."""
    stub, channel = getattr(exporter, "_stub", None), getattr(exporter, "_channel", None)
    if stub is None or channel is None or not hasattr(exporter, "_client"):
        return False

    def intercepted(channel: Any) -> Any:
        return stub(grpc.intercept_channel(channel, Interceptor(listener)))

    exporter._stub = intercepted
    exporter._client = intercepted(channel)
    return True


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
