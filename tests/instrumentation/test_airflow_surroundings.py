"""Code in a task of Airflow that no hook has reported: plain calls find the task by the variables that Airflow sets."""

from __future__ import annotations

from typing import Final

import pytest

from batchtel.base import run_environment
from batchtel.runs import dag_run_ids
from tests.support.process import succeed
from tests.support.sink import Sink

TASK: Final = {
    "AIRFLOW_CTX_DAG_ID": "sales",
    "AIRFLOW_CTX_TASK_ID": "store.load",
    "AIRFLOW_CTX_DAG_RUN_ID": "manual__1",
    "AIRFLOW_CTX_TRY_NUMBER": "2",
}

PLAIN = """
    import batchtel
    batchtel.current_step().records(read=5, written=4)
    batchtel.current_job().records(processed=4)
    batchtel.current_step().outputs("orders")
    """


def test_plain_calls(sink: Sink) -> None:
    """Records are those of the task and of the DAG run, which are neither started nor ended by it."""
    succeed(PLAIN, sink, **TASK)
    added = {point.metric: point.value for point in sink.points() if point.value}
    assert {name: value for name, value in added.items() if "records" in name} == {
        "batch.step.records.read": 5,
        "batch.step.records.written": 4,
        "batch.job.records.processed": 4,
    }
    assert set(added) == {name for name in added if "records" in name}
    labels = {point.attributes["step_name"] for point in sink.points() if point.metric.startswith("batch.step")}
    assert labels == {"store.load"}
    assert {point.attributes["job_name"] for point in sink.points()} == {"sales"}
    events = {log.event: log.attributes for log in sink.logs()}
    assert set(events) == {"batch.step.reported", "batch.run.reported"}
    step = events["batch.step.reported"]
    assert (step["batch.step.name"], step["batch.step.attempt"], step["batch.run.id"]) == ("store.load", 2, "manual__1")
    assert step["batch.records.written"] == 4
    assert sink.spans() == []


def test_what_starts_within_is_in_the_trace_of_the_dag_run(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job, and a step outside of any, belong to the trace that every process of the DAG run computes."""
    succeed(
        """
        import batchtel
        with batchtel.step("part"):
            pass
        batchtel.current_step().records(read=1)
        with batchtel.job("own"):
            pass
        """,
        sink,
        **TASK,
    )
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    run = dag_run_ids.of_dag_run("sales", "manual__1", "")
    spans = {span.name: span for span in sink.spans()}
    assert set(spans) == {"batch_step.part", "batch_job.own"}
    assert {span.trace_id for span in spans.values()} == {format(run.trace_id, "032x")}
    assert {span.parent_id for span in spans.values()} == {format(run.span_id, "016x")}
    assert spans["batch_step.part"].attributes["batch.job.name"] == "sales"
    own = [point for point in sink.points() if point.metric == "batch.job.completions" and point.value]
    assert [point.attributes["job_name"] for point in own] == ["own"]


def test_a_forked_process_that_leaves_without_exit_handlers(sink: Sink) -> None:
    """As the tasks of Airflow 2 do: after `logging.shutdown` comes `os._exit`, and what they counted is there."""
    succeed(
        """
        import logging, os, batchtel
        child = os.fork()
        if not child:
            batchtel.current_step().records(read=5)
            logging.shutdown()
            os._exit(0)
        os.waitpid(child, 0)
        """,
        sink,
        **TASK,
    )
    assert [point.value for point in sink.points() if point.metric == "batch.step.records.read"] == [5]
    assert [log.event for log in sink.logs()] == ["batch.step.reported"]


def test_one_task_after_the_other_in_one_process(sink: Sink) -> None:
    """As `dag.test()` runs them: each count goes to the task that the variables name at the time."""
    succeed(
        """
        import os, batchtel
        batchtel.current_step().records(read=1)
        os.environ["AIRFLOW_CTX_TASK_ID"] = "next"
        batchtel.current_step().records(read=2)
        """,
        sink,
        **TASK,
    )
    read = {
        point.attributes["step_name"]: point.value
        for point in sink.points()
        if point.metric == "batch.step.records.read"
    }
    assert read == {"store.load": 1, "next": 2}


def test_who_is_no_task() -> None:
    """Without the three ids there is no task; without a number it is the first try."""
    assert run_environment.airflow_task({}) is None
    assert run_environment.airflow_task({"AIRFLOW_CTX_DAG_ID": "sales", "AIRFLOW_CTX_TASK_ID": "load"}) is None
    task = run_environment.AirflowTask("sales", "manual__1", "store.load", 2)
    assert run_environment.airflow_task(TASK) == task
    without = {name: text for name, text in TASK.items() if not name.endswith("TRY_NUMBER")}
    assert run_environment.airflow_task(without) == task._replace(try_number=1)
    variables = {"AIRFLOW_CTX_DAG_OWNER": "ada", "AIRFLOW_CTX_TEAM_NAME": "risk"}
    assert run_environment.airflow_task(TASK | variables) == task._replace(owner="ada", team="risk")
