"""The end of a process whose collector is dead, hangs or refuses: bounded, unchanged, and nothing counted twice."""

from __future__ import annotations

import pytest

from tests.support.process import Finished, reported, run, start, succeed
from tests.support.sink import Sink

LONGEST_EXIT = 3.5
"""Seconds from the last line of a job to the end of its exit handlers: the deadline of 2 s, and a busy machine."""

SINCE = """
    import atexit, sys, time, batchtel
    def since(begun):
        return time.monotonic() - begun
    """

JOB = (
    SINCE
    + """
    # Registered first, so called last.
    atexit.register(lambda: print(since(ended)))
    print("working")
    with batchtel.job("ending"), batchtel.step("only"):
        pass
    ended = time.monotonic()
    sys.exit(3)
    """
)


def _exit_seconds(finished: Finished) -> float:
    assert finished.code == 3
    working, seconds = finished.stdout.splitlines()
    assert working == "working"
    return float(seconds)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_nothing_listens(refused: str, protocol: str) -> None:
    """A refused connection costs at most the deadline; output and exit code stay, and one line reports it for all."""
    finished = run(JOB, None, **_endpoint(refused, OTEL_EXPORTER_OTLP_PROTOCOL=protocol))
    assert _exit_seconds(finished) < LONGEST_EXIT
    # Nothing more, where the deadline ends before the exporters give up.
    lines, fate = reported(finished.stderr)
    assert len(lines) <= 1, lines
    assert fate.startswith("lost: ")
    assert all(line.startswith(f"cannot send telemetry to {refused}: ") for line in lines), lines


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_collector_hangs(hanging: str, protocol: str) -> None:
    """A collector that accepts and never answers costs at most the deadline."""
    finished = run(JOB, None, **_endpoint(hanging, OTEL_EXPORTER_OTLP_PROTOCOL=protocol))
    assert 1 < _exit_seconds(finished) < LONGEST_EXIT
    assert len(finished.stderr.splitlines()) <= 1, finished.stderr


@pytest.mark.parametrize(
    ("variables", "deadline"),
    [
        ({"BATCHTEL_EXIT_TIMEOUT": "0.3"}, 0.3),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "0.4"}, 0.4),
        ({"BATCHTEL_EXIT_TIMEOUT": "0.5", "OTEL_EXPORTER_OTLP_TIMEOUT": "30"}, 0.5),
        ({}, 2.0),
    ],
)
def test_the_deadline_is_the_smaller_setting(sink: Sink, variables: dict[str, str], deadline: float) -> None:
    """The flush of a process with a hanging collector returns False after the smaller of the two settings."""
    sink.mode = "hang"
    script = """
    with batchtel.job("waiting"):
        pass
    started = time.monotonic()
    assert batchtel.flush() is False
    print(since(started))
    """
    finished = run(SINCE + script, sink, **{"BATCHTEL_EXIT_TIMEOUT": "2", **variables})
    assert finished.code == 0
    assert deadline * 0.9 <= float(finished.stdout) < deadline + 1


def test_the_signals_leave_at_the_same_time(sink: Sink) -> None:
    """One hanging signal does not use the time of the others: all three requests are on their way."""
    sink.mode = "hang"
    run(JOB, sink)
    assert len(sink.headers) >= 3


@pytest.mark.parametrize("when", ["exit", "interval"])
def test_a_failed_export_is_delivered_by_the_next(sink: Sink, when: str) -> None:
    """Counts of refused exports arrive with the next accepted one: sums are equal, nothing is doubled."""
    sink.mode = "unavailable"
    script = """
        import sys, batchtel
        with batchtel.job("patient") as job:
            for line in sys.stdin:
                job.records(processed=1)
                print(batchtel.flush(float(line)), flush=True)
        """
    interval = "50" if when == "interval" else "15000"
    patience = {"OTEL_EXPORTER_OTLP_TIMEOUT": "20", "BATCHTEL_EXIT_TIMEOUT": "20"}
    with start(script, sink, OTEL_METRIC_EXPORT_INTERVAL=interval, **patience) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write("0.2\n")
            process.stdin.flush()
            assert process.stdout.readline() == "False\n"
        assert sink.requests == []
        assert sink.refused
        sink.mode = "ok"
        _, errors = process.communicate("5\n5\n", timeout=30)
    assert process.returncode == 0
    assert sink.total("batch.job.records.processed") == 5
    assert sink.total("batch.job.runs.started") == 1
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.total("batch.job.duration") == 1
    lines, fate = reported(errors)
    assert 1 <= len(lines) <= 3, errors
    assert fate == "everything is delivered"
    assert all(line.startswith("cannot send ") for line in lines), errors


def test_other_exit_handlers_still_work(sink: Sink) -> None:
    """What the job registered with atexit runs, also a run of its own, and nothing of it is lost."""
    succeed(
        """
        import atexit, batchtel
        def last():
            with batchtel.job("last"):
                pass
            assert batchtel.flush(20)
        with batchtel.job("first"):
            pass
        atexit.register(last)
        """,
        sink,
    )
    assert sink.total("batch.job.completions", job_name="last", status="success") == 1


def test_a_run_of_the_last_exit_handler_arrives(sink: Sink) -> None:
    """An exit handler that was registered before batchtel's is called after it: the end of its run is sent at once."""
    succeed(
        """
        import atexit, sys
        def last():
            with sys.modules["batchtel"].job("last") as job:
                job.records(processed=3)
        atexit.register(last)
        import batchtel
        with batchtel.job("first"):
            pass
        """,
        sink,
    )
    assert sink.total("batch.job.records.processed", job_name="last") == 3
    assert sink.total("batch.job.completions", job_name="last", status="success") == 1


def test_nothing_is_exported_after_the_last_flush(sink: Sink) -> None:
    """A thread in the middle of an export when the interpreter ends may end the process by SIGSEGV (greenlet's C++)."""
    finished = run(
        """
        import atexit, time
        def last():
            sends_then = len(sent)
            time.sleep(0.5)
            print(sends_then > 5, len(sent) - sends_then)
        atexit.register(last)
        import batchtel, batchtel.export.delivery
        sent, send = [], batchtel.export.delivery.Delivery.send
        batchtel.export.delivery.Delivery.send = lambda self, payload: sent.append(payload) or send(self, payload)
        with batchtel.job("first"):
            time.sleep(0.5)
        """,
        sink,
        OTEL_METRIC_EXPORT_INTERVAL="5",
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "True 0\n", "")


def _endpoint(url: str, **variables: str) -> dict[str, str]:
    resource = "deployment.environment.name=test"
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_RESOURCE_ATTRIBUTES": resource, **variables}
