"""What reaches beyond the hooks: the processes that tasks start, threads, and callbacks beside the plugin."""

from __future__ import annotations

import json

import pytest

from tests.airflow.conftest import Played

pytestmark = pytest.mark.airflow


def test_children_find_the_trace_of_their_task(played: Played) -> None:
    """Each way to start a child hands it the trace and the span of the try that started it."""
    assert played.airflow.dag_runs("children") == ["success"]
    ids = {
        span.name: f"00-{span.trace_id}-{span.span_id}-01"
        for span in played.witness.spans("children", "batch_job.children")
    }
    query = "SELECT task_id, value FROM xcom WHERE dag_id = 'children' AND key = 'return_value'"
    returned = {task_id: json.loads(value) for task_id, value in played.airflow.rows(query)}
    assert returned == {
        name.removeprefix("batch_step."): traceparent for name, traceparent in ids.items() if "step" in name
    }
    assert set(returned) >= {"bash", "bare", "external", "alone"}


@pytest.mark.compatible(
    "Airflow",
    "child programs of a task",
    "what they record counts for the task",
)
def test_children_count_for_their_task(played: Played) -> None:
    """Plain calls in a child add to the step of its task; a job of its own is below the task's span."""
    for step in ("bash", "bare", "external"):
        played.witness.wait_added("batch.step.records.written", "children", 3, step_name=step)
    spans = played.witness.spans("children", "batch_job.children_own")
    (own,) = (span for span in spans if span.name == "batch_job.children_own")
    (task,) = (span for span in spans if span.name == "batch_step.external")
    assert own.parent_id == task.span_id
    reported = played.witness.events("children", "batch.step.reported")
    assert sorted(event["batch.step.name"] for event in reported) == ["bare", "bash", "external"]


def test_a_thread_of_a_task(played: Played) -> None:
    """Code in a thread that inherited no context counts for the task."""
    played.witness.wait_added("batch.step.records.read", "reported_once", 2, step_name="work")


def test_callbacks_beside_the_plugin(played: Played) -> None:
    """A DAG that is observed is reported once where there is a plugin, and its own callbacks are called."""
    witness = played.witness
    witness.wait_added("batch.job.completions", "reported_once", 1, status="success")
    witness.wait_added("batch.step.completions", "reported_once", 1, status="success")
    witness.wait_added("batch.step.records.failed", "reported_once", 1)
    witness.wait_added("batch.job.runs.started", "reported_once", 1)
    witness.wait_added("batch.step.runs.started", "reported_once", 1)
