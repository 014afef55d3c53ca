"""A driver ends as it would without batchtel, also where its JVM hangs or is killed."""

from __future__ import annotations

import pytest

from batchtel.spark.status import PATIENCE
from tests.spark.drivers import Spark
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


@pytest.mark.parametrize("way", ["hangs", "dies"])
def test_the_jvm_does_not_answer(spark: Spark, receiver: Sink, way: str) -> None:
    """The step ends within its bound, what its code reports is recorded, and one warning has the reason."""
    driven = spark.python("stopped", way, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    assert driven.happened["step"] < 2 * PATIENCE + 1
    assert driven.happened["rest"] < 1
    assert driven.happened["threads"] == []
    warnings = [line for line in driven.stderr.splitlines() if "Spark's JVM does not answer" in line]
    assert len(warnings) == 1, driven.stderr
    assert "defect" not in driven.stderr
    assert "Traceback" not in driven.stderr, driven.stderr
    names = [span.name for span in receiver.spans() if span.name.startswith("batch_")]
    assert names == ["batch_step.extract", "batch_step.load", "batch_job.spark-stopped"]
    assert receiver.span("batch_step.load").attributes["batch.records.written"] == 3


def test_a_time_limit_of_the_job(spark: Spark, receiver: Sink) -> None:
    """What a signal handler raises at the end of a step is raised in the job. The step fails, the next one counts."""
    driven = spark.python("stopped", "limit", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    assert driven.happened == {"tags": []}
    extract, load = receiver.span("batch_step.extract").attributes, receiver.span("batch_step.load").attributes
    assert (extract["batch.status"], extract["error.type"]) == ("failure", "TimeoutError")
    assert load["batch.records.read"] == 7
    assert driven.of_batchtel == []


def test_sigterm(spark: Spark, receiver: Sink) -> None:
    """While a job runs, it ends the driver; run and step are cancelled, and the job is below its step."""
    driven = spark.python("terminated", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == -15, driven.stderr
    assert driven.of_batchtel == []
    run, load = receiver.span("batch_job.spark-terminated"), receiver.span("batch_step.load")
    assert (run.attributes["batch.status"], run.attributes["batch.run.attempt"]) == ("cancelled", 2)
    assert load.attributes["batch.status"] == "cancelled"
    jobs = [span for span in receiver.spans() if span.name == "spark.job"]
    (running,) = [span for span in jobs if span.attributes["spark.job.status"] == "RUNNING"]
    assert running.parent_id == load.span_id
    assert run.attributes["spark.jobs"] == len(jobs)
    assert load.attributes["spark.jobs"] == len([job for job in jobs if job.parent_id == load.span_id])


def test_turned_off(spark: Spark, receiver: Sink, folder: str) -> None:
    """With OTEL_SDK_DISABLED=true nothing is sent and nothing printed."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_SDK_DISABLED": "true"}
    driven = spark.python("etl", folder, "succeeds", spark.version, **variables)
    assert driven.code == 0, driven.stderr
    assert receiver.requests == []
    assert driven.happened["trace_id"] == ""
    assert driven.happened["run_id"] == driven.happened["application"]
