"""Attempts, and the times that a scheduler hands over."""

from __future__ import annotations

import time
from itertools import islice

import pytest

import batchtel
from batchtel.testing import Captured

pytest_plugins = ["batchtel.testing.fixture"]


@pytest.mark.parametrize("attempts_needed", [1, 3])
def test_reports_one_run_with_its_attempts(captured: Captured, attempts_needed: int) -> None:
    """Of several attempts only the last one completes the run; the others are reported as failed attempts."""
    calls = []

    @batchtel.retry(attempts=3, delay=0)
    @batchtel.job("flaky")
    def flaky() -> int:
        calls.append(batchtel.current_job().run_id)
        if len(calls) < attempts_needed:
            raise OSError("not yet")
        return len(calls)

    assert flaky() == attempts_needed
    assert len(set(calls)) == 1
    assert captured.counter("batch.job.runs.started") == 1
    assert captured.counter("batch.job.retries") == attempts_needed - 1
    assert captured.counter("batch.job.completions") == 1
    assert captured.counter("batch.job.completions", status="success") == 1
    assert captured.histogram("batch.job.duration")[0] == attempts_needed
    assert captured.histogram("batch.job.execution")[0] == 1
    assert len(captured.events("batch.attempt.failed")) == attempts_needed - 1
    assert captured.event("batch.run.finished")["batch.run.attempt"] == attempts_needed
    spans = [span for span in captured.spans if span.name == "batch_job.flaky"]
    contexts = [span.context for span in spans]
    assert [[link.context for link in span.links] for span in spans] == [[], *[[before] for before in contexts[:-1]]]


def test_attempts_used_up_are_a_dead_letter(captured: Captured) -> None:
    """The exception of the last attempt is raised unchanged, and the job has entered the state dead_letter."""

    @batchtel.retry(attempts=2, delay=0)
    @batchtel.job("hopeless")
    def hopeless() -> None:
        raise OSError("never")

    with pytest.raises(OSError, match="never"):
        hopeless()
    assert captured.counter("batch.job.completions", status="failure", error_type="OSError") == 1
    assert captured.maximum("batch.job.state.timestamp", state="retrying") is not None
    assert captured.maximum("batch.job.state.timestamp", state="dead_letter") is not None


def test_retries_only_what_it_is_given(captured: Captured) -> None:
    """An exception that is not worth another attempt ends the run at the first one."""

    @batchtel.retry(attempts=3, delay=0, on=OSError)
    @batchtel.job("strict")
    def strict() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        strict()
    assert captured.counter("batch.job.retries") == 0
    assert captured.counter("batch.job.completions", status="failure", error_type="ValueError") == 1


def test_waits_grow_up_to_the_longest() -> None:
    """However many attempts there are, the wait after each is a number, and the call is made again."""
    waits = batchtel.retry(attempts=3000, delay=0.5, factor=2, longest=3).waits()
    assert list(islice(waits, 3000)) == [0.5, 1, 2] + [3] * 2997
    calls = iter(range(1, 3000))

    @batchtel.retry(attempts=3000, delay=0)
    def poll() -> int:
        if (call := next(calls)) < 1100:
            raise OSError("not yet")
        return call

    assert poll() == 1100


def test_retries_a_step_within_one_run(captured: Captured) -> None:
    """A retried step is one step with several attempts; its run has one."""

    @batchtel.retry(attempts=2, delay=0)
    @batchtel.step("fetch")
    def fetch() -> None:
        raise OSError("away")

    with batchtel.job("patient"), pytest.raises(OSError, match="away"):
        fetch()
    assert captured.counter("batch.step.runs.started") == 1
    assert captured.counter("batch.step.retries") == 1
    assert captured.counter("batch.step.completions") == 1
    assert captured.event("batch.step.finished")["batch.step.attempt"] == 2
    assert captured.event("batch.run.finished")["batch.run.attempt"] == 1


@pytest.mark.parametrize(
    ("scheduled", "queued", "waits", "totals"),
    [(120.0, 20.0, 1, 1), (None, None, 0, 0), (-3600.0, -3600.0, 0, 0)],
    ids=["given", "not given", "a clock that is ahead"],
)
def test_measures_waiting_where_its_times_are_set(
    captured: Captured, scheduled: float | None, queued: float | None, waits: int, totals: int
) -> None:
    """Queue wait and total time exist only where the scheduler's times do, and never below 0."""
    now = time.time()
    moments = [None if ago is None else now - ago for ago in (scheduled, queued)]
    with batchtel.job("late", scheduled_at=moments[0], queued_at=moments[1]):
        pass
    count, seconds = captured.histogram("batch.job.queue_wait")
    assert count == waits
    assert not waits or 20 <= seconds < 60
    assert captured.histogram("batch.job.total")[0] == totals
