"""The three stores agree with Airflow's own database on its runs and tasks."""

from __future__ import annotations

import pytest

from batchtel.schema.spans_and_events import AIRFLOW_ATTRIBUTES
from tests.airflow.conftest import Played

pytestmark = pytest.mark.airflow


def test_the_race(played: Played) -> None:
    """Ten mapped tasks that fail at once are ten failures of one step, and one failed run."""
    assert played.airflow.dag_runs("race") == ["failed"]
    assert [state for _, _, state, _ in played.airflow.tasks("race")] == ["failed"] * 10
    step = {"step_name": "fail"}
    played.witness.wait_added("batch.step.completions", "race", 10, **step, status="failure", error_type="ValueError")
    played.witness.wait_added("batch.step.completions", "race", 10)
    played.witness.wait_added("batch.step.runs.started", "race", 10, **step)
    played.witness.wait_added("batch.job.completions", "race", 1, status="failure", error_type="task_failure")
    played.witness.wait_added("batch.job.runs.started", "race", 1)
    found = played.witness.events("race", "batch.step.finished")
    assert sorted(int(fields["airflow.task_instance.map_index"]) for fields in found) == list(range(10))
    assert {fields["exception.message"] for fields in found} == {f"record {n} cannot be read" for n in range(10)}


def test_the_trace_of_a_run(played: Played) -> None:
    """One trace has the span of the run, the spans of all tasks below it, and what a task did below that."""
    spans = played.witness.spans("etl", "batch_job.etl")
    (run,) = (span for span in spans if span.name == "batch_job.etl")
    assert run.parent_id == ""
    below = {span.name: span for span in spans if span.parent_id == run.span_id}
    assert set(below) == {"batch_step.extract", "batch_step.store.load"}
    (check,) = (span for span in spans if span.name == "batch_job.etl_check")
    assert check.parent_id == below["batch_step.store.load"].span_id
    extract = below["batch_step.extract"].attributes
    assert extract["airflow.task.operator"] == "_PythonDecoratedOperator"
    assert extract["airflow.task_instance.pool"] == "default_pool"
    assert extract["batch.records.read"] == 7
    assert extract["airflow.dag.tags"] == run.attributes["airflow.dag.tags"] == "batchtel"
    assert extract["batch.job.owner"] == run.attributes["batch.job.owner"] == "airflow"
    airflows = {key for span in below.values() for key in span.attributes if key.startswith("airflow.")}
    assert airflows == {row.key for row in AIRFLOW_ATTRIBUTES}
    assert extract["batch.status"] == "success"


def test_a_run_that_succeeds(played: Played) -> None:
    """Its run, tasks, records and the job within are counted once each, and its scheduler's times are reported."""
    assert played.airflow.dag_runs("etl") == ["success"]
    witness = played.witness
    witness.wait_added("batch.job.completions", "etl", 1, status="success")
    for step in ("extract", "store.load"):
        witness.wait_added("batch.step.completions", "etl", 1, step_name=step, status="success")
    witness.wait_added("batch.step.records.written", "etl", 7, step_name="store.load")
    witness.wait_added("batch.job.records.processed", "etl", 7)
    witness.wait_added("batch.job.completions", "etl_check", 1, status="success")
    witness.wait_added("batch.job.queue_wait", "etl", 1)
    witness.wait_added("batch.job.runs.started", "etl", 1)
    assert witness.added("batch.step.retries", "etl") == 0
    finished = witness.event("etl", "batch.run.finished")
    ((run_id,),) = played.airflow.rows("SELECT run_id FROM dag_run WHERE dag_id = 'etl'")
    assert finished["batch.run.id"] == run_id
    assert finished["airflow.dag_run.run_type"] == "scheduled"


OPERATORS = "Done. Returned value was: 7"
"""What PythonOperator logs by `self.log`, which is structlog's."""


def test_task_logs(played: Played) -> None:
    """What a task logs, by `logging` or by Airflow's own logger, is among the logs once, in its run and its trace."""
    spans = played.witness.spans("etl", "batch_job.etl")
    ids = {span.name: span.span_id for span in spans}
    for text, step in (("seven records are read", "extract"), (OPERATORS, "extract")):
        (record,) = played.witness.logged("etl", text)
        assert record["span_id"] == ids[f"batch_step.{step}"]
        assert record["batch.step.name"] == step
    assert "seven records are read" in played.airflow.task_logs("etl")
    assert OPERATORS in played.airflow.task_logs("etl")
