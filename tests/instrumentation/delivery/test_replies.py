"""What each reply of a collector means, over HTTP and gRPC: delivered, again later, or refused for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.process import reported, run, start, succeed
from tests.support.sink import Sink

JOB = """
    import batchtel
    with batchtel.job("replied") as run:
        run.records(processed=5)
    print(batchtel.flush(float(__import__("sys").argv[1])))
    """


def test_a_redirect_is_a_failure(sink: Sink) -> None:
    """A 302 is reported once, with the host it leads to and nothing else of its address, and is not followed."""
    sink.mode = "redirect"
    finished = run(JOB, sink, "2", BATCHTEL_EXIT_TIMEOUT="0.3")
    assert (finished.code, finished.stdout) == (0, "False\n")
    before, fate = reported(finished.stderr)
    assert before == [
        f"cannot send telemetry to {sink.url}: HTTP 302, a redirect to login.example, which is not followed: "
        "something else answers there; it is kept and sent again until this process ends"
    ]
    assert fate.startswith("lost: 1 span, ")
    assert len(sink.refused) >= 3


@pytest.mark.parametrize(
    "answer",
    [
        ("text/html; charset=utf-8", b"<html>sign in</html>"),
        ("text/html", b""),
        ("application/json", b'{"status": "ok"}'),
        ("application/json", b"<html>"),
        ("application/json", b""),
        ("text/plain", b"OK"),
        ("", b"OK"),
        ("application/x-protobuf", b"<html>sign in</html>"),
    ],
)
def test_a_success_of_something_else_is_none(sink: Sink, answer: tuple[str, bytes], tmp_path: Path) -> None:
    """A 200 whose reply is none of OTLP counts as no delivery: one warning names the address, and all is kept."""
    sink.answer = answer
    finished = run(JOB, sink, "0.3", BATCHTEL_EXIT_TIMEOUT="0.3", BATCHTEL_SPOOL_DIR=str(tmp_path))
    assert (finished.code, finished.stdout) == (0, "False\n")
    before, fate = reported(finished.stderr)
    kind = answer[0].partition(";")[0] or "no content type"
    assert before == [
        f"cannot send telemetry to {sink.url}: HTTP 200 with {kind}, no reply of an OTLP receiver: "
        "something else answers there; it is kept and sent again until this process ends"
    ]
    assert fate.startswith(f"spooled in {tmp_path}: 1 span, ")
    sent = len(sink.requests)
    sink.answer = ("application/x-protobuf", b"")
    assert run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20", BATCHTEL_SPOOL_DIR=str(tmp_path)).stdout == "True\n"
    assert not list(tmp_path.glob("*.binpb"))
    assert len(sink.requests) > sent + 3


@pytest.mark.parametrize(
    "answer",
    [
        ("", b""),
        ("application/x-protobuf", b"\x0a\x00"),
        ("application/json", b"{}"),
        ("application/json; charset=utf-8", b'{"partialSuccess": {}}'),
    ],
)
def test_replies_of_receivers(sink: Sink, answer: tuple[str, bytes]) -> None:
    """What receivers of OTLP answer where all is accepted: VictoriaLogs nothing, the collector an empty message."""
    sink.answer = answer
    finished = run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20")
    assert (finished.code, finished.stdout, finished.stderr) == (0, "True\n", "")


def test_what_was_left_out_is_reported(sink: Sink) -> None:
    """A partial success is delivered, and one warning a signal reports how many items were left out, and why."""
    sink.mode = "partial"
    finished = run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20")
    assert (finished.code, finished.stdout) == (0, "True\n")
    before, fate = reported(finished.stderr)
    assert fate.startswith("lost: 2 spans, ")
    assert sorted(before) == [
        f"the collector accepted a request of {signal} but rejected 2 items in it, which are lost: "
        "two points are too old"
        for signal in ("logs", "metrics", "traces")
    ]
    assert sink.total("batch.job.records.processed") == 5


def test_what_is_refused_for_good_is_dropped(sink: Sink) -> None:
    """A 400 is not sent again; one warning gives the reason, and what comes later is delivered."""
    sink.mode = "bad_request"
    script = """
        import batchtel, sys
        with batchtel.job("refused") as run:
            run.records(processed=5)
        print(batchtel.flush(20), flush=True)
        sys.stdin.readline()
        with batchtel.job("accepted") as run:
            run.records(processed=7)
        print(batchtel.flush(20), flush=True)
        """
    with start(script, sink) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        requests = len(sink.refused)
        sink.mode = "ok"
        output, errors = process.communicate("\n", timeout=30)
    assert (process.returncode, output) == (0, "True\n")
    before, fate = reported(errors)
    assert fate == "lost: 1 span, 2 log records and 2 metric exports, the last reason: HTTP 400 Bad Request"
    (warning,) = before
    assert warning in {
        f"{sink.url}/v1/{signal} refuses telemetry for good, so it is lost: HTTP 400 Bad Request"
        for signal in ("logs", "metrics", "traces")
    }
    assert 3 <= requests == len(sink.refused)
    assert {point.attributes["job_name"] for point in sink.points("batch.job.records.processed")} >= {"accepted"}
    assert sink.total("batch.job.records.processed", job_name="accepted") == 7


def test_retry_after_is_waited_for_within_the_deadline(sink: Sink) -> None:
    """With `Retry-After: 1` no second request comes within that second; a flush of 5 s waits for it and delivers."""
    sink.mode, sink.retry_after = "unavailable", "1"
    script = """
        import batchtel, sys
        with batchtel.job("patient") as run:
            run.records(processed=5)
            first = batchtel.flush(0.9)
            print(first, flush=True)
            sys.stdin.readline()
            print(batchtel.flush(20))
        """
    with start(script, sink) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        assert [path for path, _ in sink.refused].count("/v1/logs") <= 2, "the start's own request, and the flush's"
        sink.mode = "ok"
        output, _ = process.communicate("\n", timeout=30)
    assert output == "True\n"
    assert sink.total("batch.job.records.processed") == 5


def test_retry_after_never_outlasts_the_deadline(sink: Sink) -> None:
    """With `Retry-After: 3600` a flush tries once, whatever was asked for, and does not wait; so does the exit."""
    sink.mode, sink.retry_after = "unavailable", "3600"
    script = """
        import time, batchtel
        with batchtel.job("brief"):
            pass
        started = time.monotonic()
        assert not batchtel.flush(60)
        print(time.monotonic() - started)
        """
    # No export but those of the flushes, however busy the machine is.
    finished = run(script, sink, OTEL_BSP_SCHEDULE_DELAY="60000")
    assert finished.code == 0, finished.stderr
    assert float(finished.stdout) < 30
    assert [path for path, _ in sink.refused].count("/v1/traces") == 2


def test_no_reply_is_one_for_each_protocol(refused: str) -> None:
    """Where nothing listens a client of either protocol returns that the request is to be sent again, and why."""
    succeed(
        """
        import os
        from batchtel.export.client import build
        from batchtel.export.endpoint import Endpoint, SIGNALS
        for signal in SIGNALS:
            for protocol in ("http/protobuf", "grpc"):
                reply = build(Endpoint(signal, os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], protocol), 5).send(b"")
                assert reply.verdict == "retry" and "refused" in reply.reason, (signal, protocol, reply)
        """,
        None,
        OTEL_EXPORTER_OTLP_ENDPOINT=refused,
    )


def test_an_environment_that_shrinks(sink: Sink) -> None:
    """Nothing is lost where variables come and go meanwhile: no request looks for its proxies in the environment."""
    script = """
        import os, threading, traceback
        import batchtel

        class Shrinking(dict):
            seen = set()
            def __iter__(self):
                names, thread = [*super().__iter__()], threading.get_ident()
                if "getproxies_environment" in [frame.name for frame in traceback.extract_stack()]:
                    names += [b"GONE"][: thread not in self.seen]
                    self.seen.add(thread)
                return iter(names)

        with batchtel.job("shrinking") as run:
            run.records(processed=5)
            os.environ._data = Shrinking(os.environ._data)
        print(batchtel.flush(20), len(Shrinking.seen))
        """
    finished = run(script, sink)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "True 0\n", "")
    assert sink.total("batch.job.records.processed") == 5
    assert [span.name for span in sink.spans()] == ["batch_job.shrinking"]
    assert [log.event for log in sink.logs()] == ["batch.run.started", "batch.run.finished"]


def test_the_text_of_a_refusal_is_shown(sink: Sink) -> None:
    """What a gateway writes in plain text is in the warning, cut and without secrets."""
    sink.mode = "bad_request"
    sink.answer = ("text/plain; charset=utf-8", b"unknown tenant\n password=hunter2 " + b"x" * 5000)
    finished = run(JOB, sink, "20", BATCHTEL_EXIT_TIMEOUT="20")
    warning, _ = finished.stderr.splitlines()
    assert ": HTTP 400 Bad Request: unknown tenant  password=" in warning
    assert "hunter2" not in finished.stderr
    assert len(warning) < 400


def test_a_proxy_is_named(sink: Sink, refused: str) -> None:
    """Where a proxy does not answer, the warning names it without its password, and not the collector's port."""
    proxy = refused.replace("http://", "http://user:secret@")
    finished = run(JOB, sink, "0.3", BATCHTEL_EXIT_TIMEOUT="0.3", HTTP_PROXY=proxy, NO_PROXY="")
    before, _ = reported(finished.stderr)
    assert before == [
        f"cannot send telemetry to {sink.url}: Connection refused, by the proxy {refused}; "
        "it is kept and sent again until this process ends"
    ]


def test_the_path_of_an_address_is_shown(sink: Sink, refused: str) -> None:
    """The path that a variable adds is in the warning, but for what may be a token."""
    finished = run(
        JOB, sink, "0.3", BATCHTEL_EXIT_TIMEOUT="0.3", OTEL_EXPORTER_OTLP_ENDPOINT=f"{refused}/otlp/abcdef/v1/traces"
    )
    before, _ = reported(finished.stderr)
    assert before[0].startswith(f"cannot send telemetry to {refused}/otlp/[redacted]/v1/traces: nothing answers on ")
