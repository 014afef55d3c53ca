"""A receiver of OTLP over gRPC that answers as it is set to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from tests.support.sink import REQUESTS, Sink, partial


class Answer:
    """How the next calls are answered: `code` None is OK, with `body` as the encoded response."""

    def __init__(self) -> None:
        self.code: Any = None
        self.body = b""
        self.retry_after: int | None = None
        self.calls = 0

    def leave_some_out(self) -> None:
        """Answer that two items were left out."""
        self.code, self.body = None, partial()

    def metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Return the details of the status, as the specification asks for RetryInfo."""
        if self.retry_after is None:
            return ()
        info = RetryInfo()
        info.retry_delay.seconds = self.retry_after
        detail = AnyMessage()
        detail.Pack(info)
        status = Status(code=self.code.value[0], message="busy", details=[detail])
        return (("grpc-status-details-bin", status.SerializeToString()),)


@contextmanager
def running() -> Iterator[tuple[Sink, Answer]]:
    """Listen until the block ends."""
    sink, answer = Sink(), Answer()

    def handler(path: str) -> Callable[[bytes, Any], bytes]:
        def handle(request: bytes, context: Any) -> bytes:
            answer.calls += 1
            if answer.code is not None:
                sink.refused.append((path, REQUESTS[path].FromString(request)))
                context.set_trailing_metadata(answer.metadata())
                context.abort(answer.code, "busy")
            sink.requests.append((path, REQUESTS[path].FromString(request)))
            return answer.body

        return handle

    server = grpc.server(ThreadPoolExecutor(4))
    for name, path in (("trace", "/v1/traces"), ("metrics", "/v1/metrics"), ("logs", "/v1/logs")):
        service = f"opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service"
        method = grpc.unary_unary_rpc_method_handler(handler(path))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    sink.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield sink, answer
    finally:
        server.stop(None).wait()
