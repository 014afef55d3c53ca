"""The same over gRPC, with a server of grpcio."""

from __future__ import annotations

from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]
import pytest

from tests.instrumentation.delivery import grpc_sink
from tests.instrumentation.delivery.grpc_sink import Answer
from tests.instrumentation.delivery.test_replies import JOB
from tests.support.process import reported, run
from tests.support.sink import Sink

GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.fixture
def listening() -> Iterator[tuple[Sink, Answer]]:
    """A receiver that answers OK."""
    with grpc_sink.running() as both:
        yield both


def test_what_was_left_out_is_reported(listening: tuple[Sink, Answer]) -> None:
    """A partial success is delivered, and one warning a signal reports it."""
    sink, answer = listening
    answer.leave_some_out()
    finished = run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20", **GRPC)
    assert (finished.code, finished.stdout) == (0, "True\n")
    before, fate = reported(finished.stderr)
    assert fate.startswith("lost: 2 spans, ")
    assert sorted(before) == [
        f"the collector accepted a request of {signal} but rejected 2 items in it, which are lost: "
        "two points are too old"
        for signal in ("logs", "metrics", "traces")
    ]
    assert sink.total("batch.job.records.processed") == 5


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"]
)
def test_what_is_refused_for_good_is_dropped(listening: tuple[Sink, Answer], code: str) -> None:
    """Each such code drops the request at once, with one warning."""
    sink, answer = listening
    answer.code = grpc.StatusCode[code]
    finished = run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20", **GRPC)
    assert (finished.code, finished.stdout) == (0, "True\n")
    before, fate = reported(finished.stderr)
    assert fate.endswith(f", the last reason: gRPC {code}: busy")
    assert before == [f"{sink.url} refuses telemetry for good, so it is lost: gRPC {code}: busy"]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"])
def test_what_may_pass_is_sent_again(listening: tuple[Sink, Answer], code: str) -> None:
    """Each such code keeps the request: one warning, several tries."""
    sink, answer = listening
    answer.code = grpc.StatusCode[code]
    finished = run(JOB, sink, "1.5", BATCHTEL_EXIT_TIMEOUT="0.2", **GRPC)
    assert (finished.code, finished.stdout) == (0, "False\n")
    kept = "it is kept and sent again until this process ends"
    before, fate = reported(finished.stderr)
    assert before == [f"cannot send telemetry to {sink.url}: gRPC {code}: busy; {kept}"]
    assert f" not acknowledged by {sink.url} within 0.2 s (gRPC {code}: busy); set BATCHTEL_SPOOL_DIR " in fate
    assert answer.calls > 3


def test_retry_info_is_waited_for(listening: tuple[Sink, Answer]) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo is for later, and a time beyond the deadline ends a flush at once."""
    sink, answer = listening
    answer.code, answer.retry_after = grpc.StatusCode.RESOURCE_EXHAUSTED, 3600
    finished = run(JOB, sink, "60", BATCHTEL_EXIT_TIMEOUT="0.2", **GRPC)
    assert (finished.code, finished.stdout) == (0, "False\n")
    assert finished.seconds < 45
    assert "it is kept and sent again until this process ends" in finished.stderr
