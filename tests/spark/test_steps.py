"""Which step a job of Spark belongs to, and what is counted for it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.spark.drivers import Spark, job_file
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


def test_jobs_belong_to_the_innermost_step_of_their_thread(spark: Spark, receiver: Sink, folder: str) -> None:
    """Also in threads at the same time, in nested steps, in none, and up to the stop of the session.

    Two coroutines of one thread are in its steps at the same time: their jobs are those of the step around.
    """
    driven = spark.python("threads", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    names = {span.span_id: span.name for span in receiver.spans()}
    parents = [names[span.parent_id] for span in receiver.spans() if span.name == "spark.job"]
    assert sorted(parents) == sorted(
        f"batch_{name}"
        for name in (
            *("step.left", "step.right", "step.outer", "step.inner", "step.outer"),
            *("step.counted", "job.threads", "step.empty", "step.stopped", "step.around", "step.around"),
        )
    )
    read = {
        point.attributes["step_name"]: point.value
        for point in receiver.points()
        if point.metric == "batch.step.records.read" and point.value
    }
    assert read == {
        "left": 100,
        "right": 10,
        "outer": 9,
        "inner": 5,
        "counted": 1,
        "empty": 8,
        "around": 23,
        "stopped": 6,
    }
    run = receiver.span("batch_job.threads")
    assert (run.attributes["batch.job.type"], run.attributes["spark.application.name"]) == ("test", "spark-threads")
    assert run.attributes["spark.input.records"] == 168
    assert receiver.span("batch_step.empty").attributes["batch.records.written"] == 0
    none = receiver.span("batch_step.none").attributes
    assert [key for key in none if key.startswith(("spark.", "batch.records"))] == []
    assert driven.of_batchtel == []


def test_threads_with_the_properties_of_another_one(spark: Spark, receiver: Sink) -> None:
    """Their own steps count, else the step that has started them; none has what another thread has read."""
    driven = spark.python("inherited", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    read: Counter[str] = Counter()
    for span in receiver.spans():
        if span.name.startswith("batch_step."):
            read[span.attributes["batch.step.name"]] += span.attributes["batch.records.read"]
    assert read == {"thread": 30, "outer": 9, "left": 1_100, "right": 220}
    assert driven.of_batchtel == []


def test_no_pinned_threads(spark: Spark, receiver: Sink, folder: str) -> None:
    """Where threads are not those of the JVM, jobs belong to the run, not to the step of another thread."""
    driven = spark.python("threads", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, PYSPARK_PIN_THREAD="false")
    assert driven.code == 0, driven.stderr
    run = receiver.span("batch_job.threads")
    assert {span.parent_id for span in receiver.spans() if span.name == "spark.job"} == {run.span_id}
    assert run.attributes["spark.input.records"] == 168
    assert driven.stderr.count("with PYSPARK_PIN_THREAD=false") == 1


def test_many_jobs_in_a_step(spark: Spark, receiver: Sink) -> None:
    """All are read at the end of the step, in answers of some hundred."""
    driven = spark.python("many", "450", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    found = {
        name: [receiver.span(name).attributes[key] for key in ("spark.jobs", "spark.input.records")]
        for name in ("batch_step.many", "batch_step.two", "batch_job.spark-many")
    }
    assert found == {"batch_step.many": [450, 4_500], "batch_step.two": [2, 20], "batch_job.spark-many": [452, 4_520]}
    assert len([span for span in receiver.spans() if span.name.startswith("spark.")]) == 904
    assert driven.of_batchtel == []


def test_two_runs_of_one_application(spark: Spark, receiver: Sink, folder: str) -> None:
    """Each has what ran within it, and nothing of a run is left after it."""
    driven = spark.python("twice", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    application = driven.happened["application"]
    assert driven.happened["runs"] == [application, f"{application}-2"]
    runs = {span.attributes["batch.run.id"]: span for span in receiver.spans() if span.name == "batch_job.spark-twice"}
    counted = ("spark.jobs", "spark.stages", "spark.output.records")
    found = [[runs[run].attributes[name] for name in counted] for run in driven.happened["runs"]]
    assert found == [[1, 1, 20], [3, 3, 54_000]]
    assert driven.happened["between"] == driven.happened["after"] == ["mine"]
    assert [one for one in driven.happened["within"] if one.startswith("batchtel-")] == []
    assert "TRACEPARENT" in driven.happened["within"]
    assert driven.of_batchtel == []


@pytest.mark.parametrize("evicts", [False, True])
def test_a_second_session(spark: Spark, receiver: Sink, folder: str, evicts: bool) -> None:
    """Steps have what a session has run that replaces the first one; no records where Spark keeps too few jobs."""
    driven = spark.python("again", folder, *["evicts"][:evicts], OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    steps = [span for span in receiver.spans() if span.name.startswith("batch_step.")]
    written = {step.attributes["batch.step.name"]: step.attributes.get("batch.records.written") for step in steps}
    assert written == {"first": 1, "second": 20, "third": 300, **({"evicted": None} if evicts else {})}
    run = receiver.span("batch_job.spark-again").attributes
    assert run.get("spark.output.records") == (None if evicts else 321)
    assert driven.stderr.count("spark.ui.retainedJobs") == evicts
    assert driven.of_batchtel == []


def test_python_workers_are_in_the_run(spark: Spark, receiver: Sink) -> None:
    """Steps and records of a Python worker are those of the run, in its trace."""
    driven = spark.python("workers", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    run = receiver.span("batch_job.spark-workers")
    steps = [span for span in receiver.spans() if span.name == "batch_step.clean"]
    assert [(span.trace_id, span.parent_id) for span in steps] == [(run.trace_id, run.span_id)] * 4
    added = {name: sum(point.value for point in receiver.points() if point.metric == name) for name in COUNTED}
    assert added == COUNTED
    assert run.attributes["batch.records.outcome"] == "sufficient"
    assert driven.stdout.count(run.attributes["batch.run.id"]) == 4


COUNTED = {
    "batch.job.runs.started": 1,
    "batch.job.completions": 1,
    "batch.job.records.processed": 900,
    "batch.job.records.failed": 100,
    "batch.step.records.read": 1_000,
    "batch.step.records.failed": 100,
}
"""Counter -> what the driver and its workers have added in all."""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("command", "way"),
    [
        (["opentelemetry-instrument", "spark-submit"], "plain"),
        (["opentelemetry-instrument", "spark-submit"], "application"),
        (["batchtel", "run", "--job", "etl", "--", "spark-submit"], "application"),
    ],
    ids=["instrument", "instrument-application", "run"],
)
def test_variables_alone(spark: Spark, receiver: Sink, folder: str, command: list[str], way: str) -> None:
    """Below a launcher there is one run, in the trace of TRACEPARENT, whichever programs Spark starts."""
    driven = spark.drive(
        *command,
        *(job_file("etl"), folder, "retried", spark.version, way),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        TRACEPARENT=f"00-{TRACE}-00f067aa0ba902b7-01",
    )
    assert driven.code == 0, driven.stderr
    started = [point.attributes for point in receiver.points() if point.metric == "batch.job.runs.started"]
    added = [point.value for point in receiver.points() if point.metric == "batch.job.runs.started"]
    assert sum(added) == 1, started
    assert {span.trace_id for span in receiver.spans()} == {TRACE}
    run = receiver.span("batch_job.etl")
    assert run.parent_id == "00f067aa0ba902b7"
    assert run.attributes["batch.run.id"] == driven.happened["run_id"] != driven.happened["application"]
    spans = receiver.spans()
    jobs = [span for span in spans if span.name == "spark.job"]
    names = {span.span_id: span.name for span in spans}
    assert len(jobs) == driven.happened["jobs"]
    assert {names[job.parent_id] for job in jobs} == {"batch_step.extract", "batch_step.transform", "batch_step.load"}
    reported = [log.attributes for log in receiver.logs() if log.attributes.get("spark.application.id")]
    assert {one["spark.application.id"] for one in reported} == {driven.happened["application"]}
