"""SIGTERM: in the middle of a flush, and with a collector that hangs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.instrumentation.delivery.ledger import received
from tests.support.process import reported, run
from tests.support.sink import Sink


def test_sigterm_within_a_flush_loses_nothing_and_does_not_wait(sink: Sink) -> None:
    """Whichever line of a flush SIGTERM interrupts, what was counted arrives, and the process ends by the signal.

    A lock that the interrupted line holds would keep the flush of the signal waiting: until the watchdog, here.
    """
    script = """
        import os, signal, sys, batchtel

        def interrupt_at(line):
            lines = 0
            def trace(frame, event, argument):
                nonlocal lines
                lines += event == "line"
                if lines == line and event == "line":
                    os.kill(os.getpid(), signal.SIGTERM)
                return trace
            return trace

        def child(line):
            with batchtel.job("counts") as run:
                run.records(processed=1)
                sys.settrace(interrupt_at(line))
                batchtel.flush(20)
                sys.settrace(None)
            os._exit(0)

        with batchtel.job("parent"):
            pass
        assert batchtel.flush(20)
        ended = signal.SIGTERM
        children = []
        while ended == signal.SIGTERM:
            process = os.fork()
            if process == 0:
                child(len(children) + 1)
            children.append(process)
            ended = os.waitpid(process, 0)[1]
        print(len(children), ended)
        """
    finished = run(script, sink, BATCHTEL_EXIT_TIMEOUT="50", OTEL_EXPORTER_OTLP_TIMEOUT="50")
    children, ended = map(int, finished.stdout.split())
    assert (finished.code, ended) == (0, 0), finished.stderr
    assert children > 20, "so few lines cannot be a flush"
    assert received(sink, repeated=True) == {"counts": children}


def test_sigterm_reports_what_is_lost(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a collector that hangs one line on stderr reports it, as at any other end; the signal is what ends it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sink.mode = "hang"
    script = """
    import os, signal, batchtel
    with batchtel.job("terminated"):
        os.kill(os.getpid(), signal.SIGTERM)
    """
    finished = run(script, sink, BATCHTEL_EXIT_TIMEOUT="1")
    assert finished.code == -signal.SIGTERM
    before, fate = reported(finished.stderr)
    assert before == []
    assert fate.startswith("lost: 1 span, ")
    assert f" not acknowledged by {sink.url} within 1 s; " in fate
