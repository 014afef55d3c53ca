"""A process whose host announces its end, as Airflow does: what its hook waits is not waited again at the exit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from batchtel.export.outage_marker import LONG, Outage
from tests.support.process import run, start
from tests.support.sink import Sink

LONGEST = 3.5
"""Seconds: the 2 s that are promised, and a busy machine."""

JOB = """
    import atexit, os, time, batchtel
    from batchtel.airflow.preload import preload
    from batchtel.telemetry.process import telemetry

    preload()  # as the scheduler does before it forks: imports would use time meant for the collector

    def hosted():
        # Registered first, so called last.
        atexit.register(lambda: print(time.monotonic() - begun, flush=True))
        process = telemetry()
        process.outboxes.embed_in_host()
        begun = time.monotonic()
        with batchtel.job("inner"):
            pass
        print(time.monotonic() - begun, flush=True)
        process.outboxes.leave(SECONDS)

    if os.fork() == 0:
        hosted()
    else:
        code = os.wait()[1]
        assert code == 0, code
    """


@pytest.mark.parametrize("seconds", [2.0, 0.5])
def test_a_hanging_collector(hanging: str, seconds: float) -> None:
    """A fork waits for the collector once, at its end, at most as long as its hook was given, and logs nothing."""
    finished = run(JOB.replace("SECONDS", str(seconds)), None, OTEL_EXPORTER_OTLP_ENDPOINT=hanging, **QUIET)
    assert finished.code == 0
    inner, whole = map(float, finished.stdout.splitlines())
    # The end of the inner run has used up nothing of what the hook may wait.
    assert whole - inner >= 0.9 * seconds
    assert seconds <= whole < seconds + LONGEST - 2.0
    assert finished.stderr == ""


def test_a_collector_that_has_been_away(hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process of the host has had an answer for a while, next to nothing is waited for."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    _mark_long_outage(hanging, tmp_path)
    finished = run(JOB.replace("SECONDS", "2.0"), None, OTEL_EXPORTER_OTLP_ENDPOINT=hanging, **QUIET)
    assert finished.code == 0
    assert float(finished.stdout.splitlines()[1]) < 2.0
    assert finished.stderr == ""


def test_a_reply_overrides_the_mark(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that has had an answer before its end waits for the next one, whatever other processes found."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = """
        import sys, time, batchtel
        from batchtel.telemetry.process import telemetry

        for _ in range(2):
            with batchtel.job("inner"):
                pass
            process = telemetry()
            process.outboxes.embed_in_host()
            begun = time.monotonic()
            process.outboxes.leave(2.0)
            print(time.monotonic() - begun, flush=True)
            sys.stdin.readline()
        """
    with start(script, sink, **QUIET) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert float(process.stdout.readline()) < LONGEST
        _mark_long_outage(sink.url, tmp_path)
        sink.mode = "hang"
        process.stdin.write("\n")
        process.stdin.flush()
        assert 2.0 <= float(process.stdout.readline()) < LONGEST
        process.communicate("\n", timeout=60)


def _mark_long_outage(url: str, folder: Path) -> None:
    Outage(url).mark()
    (mark,) = folder.rglob("*.unreachable")
    mark.write_text(f"{time.time() - LONG - 1:.0f}")


QUIET = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}


def test_a_collector_that_is_down(refused: str) -> None:
    """An outage is no line in the log of a process that has a host."""
    finished = run(JOB.replace("SECONDS", "2.0"), None, OTEL_EXPORTER_OTLP_ENDPOINT=refused, **QUIET)
    assert (finished.code, finished.stderr) == (0, "")
    assert float(finished.stdout.splitlines()[1]) < LONGEST
