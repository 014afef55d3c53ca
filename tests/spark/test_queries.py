"""Batches of streaming queries are runs."""

from __future__ import annotations

import pytest

from tests.spark.drivers import Spark
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


def test_each_batch_is_a_run(spark: Spark, receiver: Sink, folder: str) -> None:
    """Three of one query with their rows, and of another one the first, and the second as a failure."""
    driven = spark.python("queries", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert (driven.code, driven.stdout) == (0, "StreamingQueryException\n"), driven.stderr
    finished = [log.attributes for log in receiver.events("batch.run.finished")]
    ends = [(run["batch.job.name"], run["batch.status"], run.get("batch.records.processed")) for run in finished]
    assert sorted(ends, key=str) == [
        ("broken", "failure", None),
        ("broken", "success", 10),
        ("copied", "success", 10),
        ("copied", "success", 20),
        ("copied", "success", 30),
    ]
    assert {run["batch.job.type"] for run in finished} == {"stream"}
    highest = [run["spark.observed.seen.highest"] for run in finished if run["batch.job.name"] == "copied"]
    assert sorted(highest) == [9, 19, 29]
    ids = [run["batch.run.id"] for run in finished]
    assert len(set(ids)) == 5
    assert sorted(one[-2:] for one in ids) == ["-0", "-0", "-1", "-1", "-2"]
    (failed,) = [run for run in finished if run["batch.status"] == "failure"]
    assert "this batch is broken" in failed["batch.status.reason"]
    added = {
        (point.metric, point.attributes["job_name"]): 0.0 for point in receiver.points() if point.metric in COUNTED
    }
    for point in receiver.points():
        if point.metric in COUNTED:
            added[point.metric, point.attributes["job_name"]] += point.value
    assert added == {
        ("batch.job.runs.started", "copied"): 3,
        ("batch.job.runs.started", "broken"): 2,
        ("batch.job.progress", "copied"): 60,
        ("batch.job.progress", "broken"): 10,
        ("batch.job.records.processed", "copied"): 60,
        ("batch.job.records.processed", "broken"): 10,
    }
    spans = [span for span in receiver.spans() if span.name.startswith("batch_job.")]
    assert len({span.trace_id for span in spans}) == 5
    assert {span.parent_id for span in spans} == {""}
    assert driven.of_batchtel == []


def test_spark_connect(spark: Spark, receiver: Sink, folder: str) -> None:
    """Run, steps, batches and what was observed are recorded; one warning has the reason why jobs and stages are not.

    Operations of the server have the tag of their step.
    """
    if spark.version == "3.5":
        pytest.skip("PySpark 3.5 brings no server of Spark Connect")
    driven = spark.python("connect", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    names = sorted(span.name for span in receiver.spans())
    assert names == ["batch_job.copied", "batch_job.spark-connect", "batch_step.extract", "batch_step.other"]
    assert receiver.span("batch_job.copied").attributes["batch.records.processed"] == 10
    assert receiver.span("batch_job.copied").attributes["spark.observed.batch.rows"] == 10
    extract = receiver.span("batch_step.extract")
    assert (extract.attributes["batch.records.written"], extract.attributes["spark.observed.seen.rows"]) == (10, 10)
    assert driven.happened == {"within": [f"batchtel-{extract.span_id}"], "after": []}
    assert driven.stderr.count("Spark Connect shows its client no jobs and stages") == 1


COUNTED = ("batch.job.runs.started", "batch.job.progress", "batch.job.records.processed")
