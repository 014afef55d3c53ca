"""Durations of runs and steps, whatever way the program comes in."""

from __future__ import annotations

import pytest

import batchtel
from batchtel.testing import Captured
from tests.instrumentation.ways_in.command import call, instrumented, python, wrapped
from tests.support.sink import Sink

pytest_plugins = ["batchtel.testing.fixture"]

WORK = "import time; time.sleep(0.3)"
FAILS = "import time; time.sleep(0.3); raise SystemExit(3)"
JOB = "import time, batchtel\nwith batchtel.job('nightly'): time.sleep(0.3)"

WAYS = {
    "in code": python(JOB),
    "command": wrapped(*python(WORK), options=("--job", "nightly")),
    "failing command": wrapped(*python(FAILS), options=("--job", "nightly")),
    "command around a job": wrapped(*python(JOB), options=("--job", "nightly")),
    "instrumented": instrumented("-c", WORK),
    "instrumented around a job": instrumented("-c", JOB),
}


@pytest.mark.parametrize("way", WAYS)
def test_execution_is_recorded_for_every_run(sink: Sink, way: str) -> None:
    """Each run has one value of batch.job.execution, of at least its work and with its attempt's duration."""
    call(WAYS[way], sink, {"BATCHTEL_JOB": "nightly"} if way.startswith("instrumented") else {})
    [execution] = [point for point in sink.points("batch.job.execution") if point.value]
    [duration] = [point for point in sink.points("batch.job.duration") if point.value]
    assert execution.attributes["job_name"] == "nightly"
    assert execution.value == duration.value == 1
    assert 0.3 <= execution.sum == duration.sum


def test_execution_spans_the_attempts(captured: Captured) -> None:
    """A run of three attempts has three durations and one execution, from the first start on."""
    calls = []

    @batchtel.retry(attempts=3, delay=0)
    @batchtel.job("flaky")
    def flaky() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")

    flaky()
    count, seconds = captured.histogram("batch.job.execution")
    assert count == 1
    assert captured.histogram("batch.job.duration")[0] == 3
    assert seconds >= captured.histogram("batch.job.duration", status="success")[1]


def _fail() -> None:
    raise ValueError("bad")


def _skip() -> None:
    batchtel.current_step().skipped("nothing new")


def _cancel() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("work", "status"), [(lambda: None, "success"), (_fail, "failure"), (_skip, "success"), (_cancel, "failure")]
)
def test_durations_of_steps_have_two_statuses(captured: Captured, work: object, status: str) -> None:
    """A step's duration is one of success, skipped ones included, or of failure."""
    assert callable(work)
    try:
        with batchtel.job("nightly"), batchtel.step("load"):
            work()
    except (ValueError, KeyboardInterrupt):
        pass
    assert captured.histogram("batch.step.duration", status=status)[0] == 1
    assert captured.histogram("batch.step.duration")[0] == 1
    assert set(captured.series("batch.step.duration")[0]) == {"job_name", "job_type", "step_name", "status"}
