"""What batchtel does for Spark without one: configuration of executors, documents of jobs and stages, no session."""

from __future__ import annotations

from typing import Any

import pytest

from batchtel.auto.launcher import records_its_run
from batchtel.spark.stages import Job, Stage, Total
from tests.support.process import run
from tests.support.sink import Sink

CONFIGURE = """
    import batchtel.spark
    given = {"spark.master": "local[2]", "spark.executorEnv.OTEL_SERVICE_NAME": "mine"}
    print(batchtel.spark.configure(given))
    print(given)
    """


def test_configure(sink: Sink) -> None:
    """A new dictionary: the user's keys win, what is given stays as it is, and credentials are left out."""
    ended = run(
        CONFIGURE,
        sink,
        OTEL_SERVICE_NAME="theirs",
        BATCHTEL_JOB_TYPE="etl",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer abcdef",
        TRACEPARENT="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    configured, given = map(eval, ended.stdout.splitlines())
    assert given == {"spark.master": "local[2]", "spark.executorEnv.OTEL_SERVICE_NAME": "mine"}
    assert configured == {
        **given,
        "spark.executorEnv.OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "spark.executorEnv.OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "spark.executorEnv.BATCHTEL_JOB_TYPE": "etl",
        "spark.executorEnv.TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    assert ended.stderr == (
        "Spark's executors do not get OTEL_EXPORTER_OTLP_HEADERS from batchtel, "
        "because Spark shows their environment in its UI\n"
    )


def test_configure_in_a_run(sink: Sink) -> None:
    """The run that is open, and the step as the parent of what workers do."""
    ended = run(
        """
        import batchtel.spark
        with batchtel.job("nightly", run_id="run-1"), batchtel.step("load") as step:
            found = batchtel.spark.configure()
            prefix = "spark.executorEnv."
            assert found[prefix + "BATCHTEL_RUN_ID"] == found[prefix + "BATCHTEL_OPEN_RUN"] == "run-1"
            assert found[prefix + "BATCHTEL_JOB"] == "nightly"
            print(found[prefix + "TRACEPARENT"])
        """,
        sink,
    )
    assert ended.code == 0, ended.stderr
    step = sink.span("batch_step.load")
    assert ended.stdout == f"00-{step.trace_id}-{step.span_id}-03\n"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({}, "it has all of them"),
        ({"OTEL_SDK_DISABLED": "true"}, ""),
    ],
    ids=["all", "off"],
)
def test_configure_reports_that_it_did_nothing(sink: Sink, setting: dict[str, str], expected: str) -> None:
    """Where there is nothing to add, one warning has the reason; none where batchtel is turned off."""
    ended = run("import batchtel.spark as s; once = s.configure(); assert s.configure(once) == once", sink, **setting)
    assert ended.code == 0
    reported = f"configure() adds nothing to the configuration of Spark: {expected}\n"
    assert ended.stderr == (reported if expected else "")


@pytest.mark.parametrize("given", ["None", "3", "object()", "'text'"])
def test_whatever_is_given(sink: Sink, given: str) -> None:
    """No SparkSession: the run and its steps are recorded, and a warning has the reason."""
    ended = run(
        f"""
        import sys
        import batchtel.spark
        with batchtel.spark.application({given}, name="nightly") as job, batchtel.step("load"):
            job.records(processed=1)
        assert isinstance(batchtel.spark.configure({given}), dict)
        assert "pyspark" not in sys.modules and "py4j" not in sys.modules
        """,
        sink,
    )
    assert ended.code == 0, ended.stderr
    assert "is no SparkSession and no SparkContext, so nothing of Spark is recorded" in ended.stderr
    assert [span.name for span in sink.spans()] == ["batch_step.load", "batch_job.nightly"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["python3", "-m", "pyspark.daemon", "pyspark.worker"],
        ["python3", "/opt/spark/python/pyspark/find_spark_home.py"],
    ],
)
def test_programs_that_spark_starts_are_no_jobs(arguments: list[str]) -> None:
    """Python workers belong to the run of the driver, and `spark-submit` looks for Spark by a program."""
    assert records_its_run(arguments)
    assert not records_its_run(["python3", "etl.py", "pyspark.daemon"])


def _document(**fields: Any) -> dict[str, Any]:
    return {
        "stageId": 3,
        "attemptId": 0,
        "name": "parquet at etl.py:1",
        "status": "COMPLETE",
        "numTasks": 2,
        "numFailedTasks": 0,
        "numKilledTasks": 0,
        "numActiveTasks": 0,
        "numCompleteTasks": 2,
        "inputRecords": 1_500,
        "submissionTime": "2026-01-31T22:30:00.123GMT",
        "completionTime": "2026-01-31T22:30:01.000GMT",
        **fields,
    }


def _lost(status: str, records: int) -> dict[str, Any]:
    return {"status": status, "taskMetrics": {"inputMetrics": {"recordsRead": records}}}


def test_records_of_tasks_that_have_not_succeeded_do_not_count() -> None:
    """Neither of those that have failed nor of speculative ones that were killed; without metrics they have none."""
    tasks = {"5": _lost("FAILED", 400), "6": _lost("KILLED", 100), "7": {"status": "FAILED", "taskMetrics": None}}
    stage = Stage.of(_document(numFailedTasks=2, numKilledTasks=1, tasks=tasks))
    assert stage.counts["spark.input.records"] == 1_000
    assert (stage.lost, stage.counts["spark.tasks.failed"], stage.counts["spark.tasks.killed"]) == (3, 2, 1)
    assert (stage.submitted, stage.completed) == (1_769_898_600_123_000_000, 1_769_898_601_000_000_000)


def test_a_task_that_runs_on_is_one_that_is_killed() -> None:
    """Heartbeats have counted what the slower one of two speculative attempts has read; its end comes later."""
    tasks = {"5": _lost("RUNNING", 250)}
    stage = Stage.of(_document(numActiveTasks=1, tasks=tasks))
    assert (stage.counts["spark.input.records"], stage.counts["spark.tasks.killed"]) == (1_250, 1)
    running = Stage.of(_document(numActiveTasks=1, numCompleteTasks=1, tasks=tasks, status="ACTIVE"))
    assert (running.counts["spark.input.records"], running.counts["spark.tasks.killed"]) == (1_250, 0)


@pytest.mark.parametrize(
    "attempts",
    [
        [Stage.of(_document(numCompleteTasks=1))],
        [Stage.of(_document(numFailedTasks=2_000))],
        [Stage.of(_document(status="FAILED")), Stage.of(_document(attemptId=1))],
    ],
    ids=["events were dropped", "too many tasks were lost", "several attempts"],
)
def test_records_that_cannot_be_exact_are_left_out(attempts: list[Stage]) -> None:
    """What tasks have cost is there all the same."""
    total = Total()
    assert total.attributes() == {}
    total.add_job(Job.of({"jobId": 1, "name": "count", "status": "SUCCEEDED", "stageIds": [1, 3]}))
    total.add_stage([Stage.of(_document(stageId=1))])
    assert total.attributes()["spark.input.records"] == 1_500
    total.add_stage(attempts)
    assert total.attributes().keys().isdisjoint({"spark.input.records", "spark.output.bytes"})
    assert (total.attributes()["spark.stages"], total.attributes()["spark.stages.failed"]) == (2, 0)


def test_a_job_without_tags() -> None:
    """Spark leaves out what is empty."""
    job = Job.of({"jobId": 1, "name": "count", "status": "RUNNING", "stageIds": [4, 2]})
    assert (job.stages, job.tags, job.submitted, job.is_over) == ((2, 4), frozenset(), None, False)
