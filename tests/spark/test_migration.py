"""Each row of the migration table in docs/spark.md: what a helper for the Pushgateway did, and what does it here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.spark.drivers import Driven, Spark
from tests.support import sink
from tests.support.sink import Point, Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


class Migrated(NamedTuple):
    """A driver that has run two applications: one succeeds, one fails in `transform`."""

    driven: Driven
    receiver: Sink

    def points(self, metric: str, **labels: str) -> list[Point]:
        """Return what was added to a metric, without zeros."""
        found = [point for point in self.receiver.points() if point.metric == metric and point.value]
        return [point for point in found if labels.items() <= point.attributes.items()]

    def added(self, metric: str, **labels: str) -> float:
        """Return the sum of what was added."""
        return sum(point.value for point in self.points(metric, **labels))


@pytest.fixture(scope="module")
def migrated(spark: Spark) -> Iterator[Migrated]:
    """The driver, after its end."""
    with sink.running() as receiver:
        driven = spark.python("migrated", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        assert driven.code == 0, driven.stderr
        yield Migrated(driven, receiver)


def test_job_start(migrated: Migrated) -> None:
    """The time of the start is sent before the end, and so is the event."""
    started, *_ = migrated.points("batch.job.state.timestamp", state="running")
    ended, *_ = migrated.points("batch.job.completions")
    assert started.request < ended.request
    assert len(migrated.receiver.events("batch.run.started")) == 2


def test_job_status(migrated: Migrated) -> None:
    """A run is running, then success or failure; each end is counted."""
    states = {point.attributes["state"] for point in migrated.points("batch.job.state.timestamp")}
    assert states == {"running", "success", "failure"}
    assert migrated.added("batch.job.completions", status="success") == 1
    assert migrated.added("batch.job.completions", status="failure", error_type="ValueError") == 1


def test_job_duration(migrated: Migrated) -> None:
    """Wall time of each run, as a histogram."""
    durations = migrated.points("batch.job.duration")
    assert sum(point.value for point in durations) == 2
    assert 0 < sum(point.sum for point in durations) < migrated.driven.happened["seconds"]


def test_job_records(migrated: Migrated) -> None:
    """A counter, of which a failed run that reported nothing adds nothing."""
    (added,) = migrated.points("batch.job.records.processed")
    assert (added.value, added.monotonic) == (570, True)


def test_stage_duration(migrated: Migrated) -> None:
    """Three steps, those of both runs in one series each."""
    durations = migrated.points("batch.step.duration", status="success")
    assert {point.attributes["step_name"] for point in durations} == {"extract", "transform", "load"}
    assert migrated.added("batch.step.duration", step_name="extract") == 2


def test_stage_records(migrated: Migrated) -> None:
    """What each step read and wrote; extract read nothing, and what the code reports counts instead of Spark's."""
    read = {
        step: migrated.added("batch.step.records.read", step_name=step) for step in ("extract", "transform", "load")
    }
    assert read == {"extract": 0, "transform": 2_000, "load": 570}
    assert migrated.added("batch.step.records.written", step_name="load") == 570


def test_stage_status(migrated: Migrated) -> None:
    """The step that failed is a failure, the others are none, and what follows has not started."""
    assert migrated.added("batch.step.completions", step_name="transform", status="failure") == 1
    assert migrated.added("batch.step.completions", step_name="extract", status="failure") == 0
    assert migrated.added("batch.step.runs.started", step_name="load") == 1


def test_stage_span(migrated: Migrated) -> None:
    """Each step is a span of its run, with its records."""
    spans = [span for span in migrated.receiver.spans() if span.name == "batch_step.transform"]
    assert [span.attributes.get("batch.records.written") for span in spans] == [570, None]


def test_labels(migrated: Migrated) -> None:
    """No label holds the application's id, and a second run adds no series but those of its failure."""
    ids = {log.attributes["batch.run.id"] for log in migrated.receiver.events("batch.run.started")}
    assert len(ids) == 2
    points = [point for point in migrated.receiver.points() if point.metric.startswith("batch.")]
    assert ids.isdisjoint({str(value) for point in points for value in point.attributes.values()})
    assert {key for point in points for key in point.attributes} <= {
        *("job_name", "job_type", "step_name", "status", "state", "error_type"),
    }


def test_the_exception_of_a_stage(migrated: Migrated) -> None:
    """It leaves the step and the application as it is."""
    assert migrated.driven.happened["errors"] == ["", "ValueError"]


def test_the_end_after_a_failure(migrated: Migrated) -> None:
    """The run that failed has its end, with exception and stack trace."""
    _, failed = migrated.receiver.events("batch.run.finished")
    assert (failed.attributes["batch.status"], failed.attributes["exception.message"]) == ("failure", "schema mismatch")
    assert "etl" in failed.attributes["exception.stacktrace"]


def test_records_of_a_stage_that_fails(migrated: Migrated) -> None:
    """What it has reported before is kept."""
    (failed,) = [
        log for log in migrated.receiver.events("batch.step.finished") if log.attributes["batch.status"] == "failure"
    ]
    assert failed.attributes["batch.records.read"] == 1_000
