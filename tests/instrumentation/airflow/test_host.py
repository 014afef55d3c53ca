"""A process whose host tells of its end ahead, as Airflow does: what its hook waits is not waited again at the exit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from batchtel.outage import LONG, Outage
from tests.instrumentation.process import run

LONGEST = 3.5
"""Seconds: the 2 s that are promised, and a busy machine."""

JOB = """
    import atexit, os, time, batchtel
    from batchtel.airflow.preload import preload
    from batchtel.process import telemetry

    preload()  # as the scheduler does before it forks: imports would take time from the collector

    def hosted():
        # Registered first, so called last.
        atexit.register(lambda: print(time.monotonic() - begun, flush=True))
        process = telemetry()
        process.outboxes.enter_host()
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
    """A fork waits for the collector once, at its end, at most as long as its hook was told, and says nothing of it."""
    finished = run(JOB.replace("SECONDS", str(seconds)), None, OTEL_EXPORTER_OTLP_ENDPOINT=hanging, **QUIET)
    assert finished.code == 0
    inner, whole = map(float, finished.stdout.splitlines())
    assert inner < 1.0
    assert seconds <= whole < seconds + LONGEST - 2.0
    assert finished.stderr == ""


def test_a_collector_that_has_been_away(hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process of the host has had an answer for a while, next to nothing is waited for."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    Outage(hanging).mark()
    (mark,) = tmp_path.rglob("*.unreachable")
    mark.write_text(f"{time.time() - LONG - 1:.0f}")
    finished = run(JOB.replace("SECONDS", "2.0"), None, OTEL_EXPORTER_OTLP_ENDPOINT=hanging, **QUIET)
    assert finished.code == 0
    assert float(finished.stdout.splitlines()[1]) < 1.0
    assert finished.stderr == ""


QUIET = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}


def test_a_collector_that_is_down(refused: str) -> None:
    """An outage is no line in the log of a process that has a host."""
    finished = run(JOB.replace("SECONDS", "2.0"), None, OTEL_EXPORTER_OTLP_ENDPOINT=refused, **QUIET)
    assert (finished.code, finished.stderr) == (0, "")
    assert float(finished.stdout.splitlines()[1]) < LONGEST
