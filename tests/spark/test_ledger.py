"""What drivers have done against the three stores: one that succeeds, fails, has a task retried, and is killed."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest

from batchtel.schema.spans_and_events import SPARK_ATTRIBUTES, SPARK_SPANS
from batchtel_dashboards.stores import Span
from tests.spark.conftest import DONE, FAILED_TASKS, STATUS, Played, StepDone
from tests.support.polling import until
from tests.support.witness import SECONDS

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600), pytest.mark.xdist_group("stores")]


KEYS: Final = {row.key for row in SPARK_ATTRIBUTES} | {"batch.job.name", "batch.run.id"}


STARTED: Final = {end: {*steps, "load"} if end == "killed" else {*steps} for end, steps in DONE.items()}


def test_drivers_end_as_without_batchtel(played: Played, end: str) -> None:
    """Exit code, the exception of Spark, and not a line of batchtel's among what is printed."""
    driven = played.drivers[end]
    assert driven.code == {"fails": 1, "killed": -9}.get(end, 0), driven.stderr
    assert ("row 9001 is broken" in driven.stderr) == (end == "fails")
    assert driven.of_batchtel == [] or end == "fails"
    assert driven.happened["run_id"] == driven.happened["application"]


def test_prometheus(played: Played, end: str) -> None:
    """Starts, completions and records, of the run and of each step."""
    witness, job, driven = played.witness, played.job(end), played.drivers[end]
    witness.wait_added("batch.job.runs.started", job, 1)
    if end in STATUS:
        failure = {"error_type": driven.happened["error"]} if driven.happened["error"] else {}
        witness.wait_added("batch.job.completions", job, 1, status=STATUS[end], **failure)
    assert witness.added("batch.job.completions", job) == (end in STATUS)
    for step in STARTED[end]:
        witness.wait_added("batch.step.runs.started", job, 1, step_name=step)
    for step, done in DONE[end].items():
        witness.wait_added("batch.step.completions", job, 1, step_name=step, status=done.status)
        witness.wait_added("batch.step.records.read", job, done.read, step_name=step)
        witness.wait_added("batch.step.records.written", job, done.written, step_name=step)
    assert witness.added("batch.step.completions", job) == len(DONE[end])
    witness.wait_added("batch.job.records.processed", job, 57 * (end in ("succeeds", "retried")))


def test_logs(played: Played, end: str) -> None:
    """The start and the end of the run, and the end of each step with what Spark counted for it."""
    witness, job, driven = played.witness, played.job(end), played.drivers[end]
    started = witness.event(job, "batch.run.started")
    assert started["batch.run.id"] == driven.happened["application"]
    assert started["trace_id"] == driven.happened["trace_id"]
    if end in STATUS:
        finished = witness.event(job, "batch.run.finished")
        assert (finished["batch.status"], finished["spark.application.id"]) == (STATUS[end], started["batch.run.id"])
        assert finished["spark.application.name"] == job
        assert int(finished["spark.tasks.failed"]) == FAILED_TASKS[end]
        assert int(finished["spark.jobs"]) == driven.happened["jobs"]
    else:
        assert witness.events(job, "batch.run.finished") == []

    def look() -> dict[str, StepDone]:
        return {
            fields["batch.step.name"]: StepDone(
                fields["batch.status"], int(fields["batch.records.read"]), int(fields["batch.records.written"])
            )
            for fields in witness.events(job, "batch.step.finished")
        }

    until(f"the ends of steps of {job}", lambda: look() == DONE[end] or None, SECONDS, lambda: str(look()))


def test_spans(played: Played, end: str) -> None:
    """Jobs of Spark are below the step that ran them, stages below their jobs, and add up to its records."""
    witness, driven = played.witness, played.drivers[end]
    wanted = {f"batch_step.{step}" for step in DONE[end]}
    if end in STATUS:
        wanted.add(f"batch_job.{played.job(end)}")

    def look() -> list[Span] | None:
        spans = witness.trace(driven.happened["trace_id"])
        return spans if wanted <= {span.name for span in spans} else None

    spans = until(f"the spans of {end}", look, SECONDS)
    by_id = {span.span_id: span for span in spans}
    jobs = [span for span in spans if span.name == "spark.job"]
    stages = [span for span in spans if span.name == "spark.stage"]
    assert {span.name for span in spans} == wanted | {"spark.job", "spark.stage"}
    assert {by_id[stage.parent_id].name for stage in stages} == {"spark.job"}
    if end in STATUS:
        assert len(jobs) == driven.happened["jobs"]
    steps: dict[str, Counter[str]] = {step: Counter() for step in DONE[end]}
    for stage in stages:
        above = by_id[by_id[stage.parent_id].parent_id]
        steps[str(above.attributes["batch.step.name"])].update(_counts(stage))
    for step, done in DONE[end].items():
        assert (steps[step]["spark.input.records"], steps[step]["spark.output.records"]) == done[1:], step
    assert sum(counts["spark.tasks.failed"] for counts in steps.values()) == FAILED_TASKS[end]
    failed = [span for span in jobs if span.attributes["spark.job.status"] == "FAILED"]
    assert len(failed) == (end == "fails")
    for span in [*jobs, *stages]:
        assert span.attributes["batch.run.id"] == driven.happened["application"]
    for row in SPARK_SPANS:
        found = {key for span in spans if span.name == row.name for key in span.attributes} & KEYS
        assert found == set(row.attributes) - (set() if end == "fails" else {"spark.stage.failure"})
    of_steps = {key for span in spans if span.name.startswith("batch_") for key in span.attributes}
    assert of_steps & KEYS <= {row.key for row in SPARK_ATTRIBUTES} | set(SPARK_SPANS[0].attributes)


def _counts(span: Span) -> dict[str, int]:
    names = ("spark.input.records", "spark.output.records", "spark.tasks.failed", "spark.tasks.completed")
    return {name: int(span.attributes[name]) for name in names}


def test_shuffle(played: Played) -> None:
    """What one stage has written for others is what these have read."""
    attributes: dict[str, Any] = dict(played.witness.event(played.job("succeeds"), "batch.run.finished"))
    for what in ("bytes", "records"):
        assert int(attributes[f"spark.shuffle.read.{what}"]) == int(attributes[f"spark.shuffle.write.{what}"]) > 0


def test_a_failed_job_has_its_reason(played: Played) -> None:
    """The span of the stage that failed has what Spark gives as the reason."""
    spans = played.witness.trace(played.drivers["fails"].happened["trace_id"])
    (failed,) = [span for span in spans if span.attributes.get("spark.stage.status") == "FAILED"]
    assert "row 9001 is broken" in str(failed.attributes["spark.stage.failure"])
