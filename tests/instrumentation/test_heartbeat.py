"""A live run beats with each collection of metrics, and reports how far it has come."""

from __future__ import annotations

import pytest

import batchtel
from batchtel.testing import Captured
from tests.instrumentation.ways_in.command import call, wrapped
from tests.support.polling import until
from tests.support.process import start, succeed
from tests.support.sink import Sink

pytest_plugins = ["batchtel.testing.fixture"]

HUNG = """
    import sys, threading, batchtel
    done = 0
    with batchtel.job("hung") as job:
        job.progress(lambda: done, total=10)
        done = 4
        with batchtel.step("wait"):
            print("waiting", flush=True)
            sys.stdin.read()
    """

FORKS = """
    import os, time, batchtel
    done = 0
    with batchtel.job("forks") as job:
        job.progress(lambda: done)
        done = 4
        child = os.fork()
        if child == 0:
            job.records(processed=1)
            time.sleep(0.5)
            batchtel.flush()
            os._exit(0)
        os.waitpid(child, 0)
    """
"""Two processes hold the run for half a second."""


NEITHER_LOST_NOR_TWICE = 0.5
"""By how much of a run's duration its beats may differ from it: one that is beaten for twice has double the time."""


def _sum(sink: Sink, metric: str, job: str = "") -> float:
    return sum(point.value for point in sink.points(metric) if job in ("", point.attributes["job_name"]))


def _wait_for_beat(sink: Sink, metric: str, seconds: float, job: str = "") -> None:
    until(f"{seconds:g} s of {metric}", lambda: _sum(sink, metric, job) > seconds or None, timeout=20)


def test_a_run_beats_while_its_main_thread_hangs(sink: Sink) -> None:
    """Beats go on without progress: a hung loop looks different from a dead process and from a busy one."""
    process = start(HUNG, sink, OTEL_METRIC_EXPORT_INTERVAL="100")
    try:
        _wait_for_beat(sink, "batch.job.alive.time", 1.0)
        _wait_for_beat(sink, "batch.step.alive.time", 1.0)
        assert _sum(sink, "batch.job.progress") == 4
        assert _sum(sink, "batch.job.completions") == 0
    finally:
        _, errors = process.communicate("", timeout=30)
    assert (process.returncode, errors) == (0, "")
    (duration,) = (p.sum for p in sink.points() if p.metric == "batch.job.duration")
    assert _sum(sink, "batch.job.alive.time") == pytest.approx(duration, rel=NEITHER_LOST_NOR_TWICE)
    assert [log.attributes["batch.progress.total"] for log in sink.logs() if log.event == "batch.run.finished"] == [10]


def test_a_killed_run_stops_beating(sink: Sink) -> None:
    """After SIGKILL nothing is added any more, so the rate goes to 0 by itself."""
    process = start(HUNG, sink, OTEL_METRIC_EXPORT_INTERVAL="100")
    _wait_for_beat(sink, "batch.job.alive.time", 0.3)
    process.kill()
    process.communicate(timeout=30)
    before = _sum(sink, "batch.job.alive.time", "hung")
    other = start(HUNG.replace('"hung"', '"other"'), sink, OTEL_METRIC_EXPORT_INTERVAL="100")
    _wait_for_beat(sink, "batch.job.alive.time", 1.0, "other")  # ten of its intervals
    _, errors = other.communicate("", timeout=30)
    assert (other.returncode, errors) == (0, "")
    assert _sum(sink, "batch.job.alive.time", "hung") == before


def test_a_forked_child_does_not_beat_for_its_parent(sink: Sink) -> None:
    """Two processes hold the run, one beats and is asked how far it has come."""
    succeed(
        FORKS,
        sink,
        OTEL_METRIC_EXPORT_INTERVAL="50",
    )
    (duration,) = (p.sum for p in sink.points() if p.metric == "batch.job.duration")
    assert _sum(sink, "batch.job.records.processed") == 1
    assert _sum(sink, "batch.job.progress") == 4
    assert _sum(sink, "batch.job.alive.time") == pytest.approx(duration, rel=NEITHER_LOST_NOR_TWICE)


def test_a_command_is_alive_from_its_start(sink: Sink) -> None:
    """A short command has ended when telemetry is loaded: the seconds before that count, too."""
    assert call(wrapped("true"), sink).returncode == 0
    (duration,) = (point.sum for point in sink.points("batch.job.duration"))
    assert _sum(sink, "batch.job.alive.time") >= duration


def test_progress_counts_what_was_added(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Progress is reported as a total and counted as increments; a lower one is reported once and not counted."""
    with batchtel.job("load") as job:
        job.progress(10, total=100)
        job.progress(25)
        job.progress(5)
        job.progress(float("nan"))
        job.progress(30)
    assert captured.counter("batch.job.progress", job_name="load") == 30
    assert captured.event("batch.run.finished")["batch.progress.done"] == 30
    assert [record.getMessage() for record in caplog.records if record.name == "batchtel"] == [
        "progress 5 is below what was done before; it is not counted",
        "progress=nan is not a number; it is not used",
    ]


def test_a_broken_progress_function_harms_nothing(captured: Captured) -> None:
    """The function is the job's own code, called in a thread of ours: what it raises ends there."""
    with batchtel.job("broken") as job:
        job.progress(lambda: 1 / 0)
    assert captured.counter("batch.job.completions", status="success") == 1
