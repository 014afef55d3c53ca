"""The example DAGs of docs/airflow, run by the real scheduler; the race is in `test_counts`."""

from __future__ import annotations

import ast

import pytest

from tests.airflow.conftest import EXAMPLES, Played
from tests.airflow.installation import HERE, ROOT
from tests.support.spark_programs import without_java

pytestmark = pytest.mark.airflow

FILES = sorted((ROOT / "docs" / "airflow").glob("*.py"))


def test_each_is_run_and_has_what_a_dag_needs() -> None:
    """Every file is a DAG of the same name that the suite runs, with tags, and with retries but for the race."""
    assert {file.stem for file in FILES} == set(EXAMPLES)
    assert [file.resolve() for file in sorted((HERE / "dags" / "examples").glob("*.py"))] == FILES
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in decorator.keywords}
        assert function.name == file.stem
        assert given["tags"] == "['example']"
        assert f"'retries': {0 if file.stem == 'race' else 2}" in given["default_args"]


def test_retry(played: Played) -> None:
    """Two failed attempts and a good one are one success with two retries, and the run is one success."""
    witness, step = played.witness, {"step_name": "fetch"}
    witness.wait_added("batch.job.completions", "retry", 1, status="success")
    witness.wait_added("batch.step.completions", "retry", 1, **step, status="success")
    witness.wait_added("batch.step.retries", "retry", 2, **step)
    witness.wait_added("batch.step.completions", "retry", 1)
    witness.wait_added("batch.step.runs.started", "retry", 1)
    spans = [span for span in witness.spans("retry", "batch_job.retry") if span.name == "batch_step.fetch"]
    assert sorted((span.attributes["batch.step.attempt"], span.attributes["batch.status"]) for span in spans) == [
        (1, "failure"),
        (2, "failure"),
        (3, "success"),
    ]


def test_green_tick(played: Played) -> None:
    """A load of no rows is green in Airflow and a success here, and that it wrote 0 rows is on record."""
    assert played.airflow.dag_runs("green_tick") == ["success"]
    witness = played.witness
    witness.wait_added("batch.job.completions", "green_tick", 1, status="success")
    finished = {event["batch.step.name"]: event for event in witness.events("green_tick", "batch.step.finished")}
    assert finished["load"]["batch.records.written"] == "0"
    assert "batch.records.written" not in finished["extract"]
    assert witness.event("green_tick", "batch.run.reported")["batch.records.outcome"] == "zero"


def test_long_sensor(played: Played) -> None:
    """A sensor that has looked twice has started once, and is one success and one span."""
    witness, step = played.witness, {"step_name": "exported"}
    witness.wait_added("batch.job.completions", "long_sensor", 1, status="success")
    witness.wait_added("batch.step.runs.started", "long_sensor", 1, **step)
    witness.wait_added("batch.step.completions", "long_sensor", 1, **step)
    spans = witness.spans("long_sensor", "batch_job.long_sensor")
    assert sum(span.name == "batch_step.exported" for span in spans) == 1


def test_mapped_etl(played: Played) -> None:
    """Rows that mapped tasks return add up to one step's, each row once, and the index is on the spans alone."""
    assert played.airflow.dag_runs("mapped_etl") == ["success"]
    witness, step = played.witness, {"step_name": "transform"}
    witness.wait_added("batch.step.completions", "mapped_etl", 3, **step, status="success")
    witness.wait_added("batch.step.records.read", "mapped_etl", 200, **step)
    witness.wait_added("batch.step.records.written", "mapped_etl", 195, **step)
    witness.wait_added("batch.step.records.failed", "mapped_etl", 5, **step)
    witness.wait_added("batch.step.records.written", "mapped_etl", 195, step_name="store.load")
    witness.wait_added("batch.job.records.processed", "mapped_etl", 195)
    spans = witness.spans("mapped_etl", "batch_job.mapped_etl")
    mapped = [span.attributes for span in spans if span.name == "batch_step.transform"]
    found = {row["airflow.task_instance.map_index"]: row["batch.records.transformed"] for row in mapped}
    assert found == {0: 117, 1: 78, 2: 0}


def test_sensor_etl(played: Played) -> None:
    """Each way to run the ETL is a run of it below its task; Spark's jobs are below the steps of the second one."""
    if why := without_java():
        pytest.skip(why)
    assert played.airflow.dag_runs("sensor_etl") == ["success"]
    witness = played.witness
    witness.wait_added("batch.job.completions", "sensor-etl", 2, status="success")
    witness.wait_added("batch.step.records.written", "sensor-etl", 200_000, step_name="extract")
    passed = witness.added("batch.job.records.processed", "sensor-etl")
    assert passed == witness.added("batch.step.records.written", "sensor-etl", step_name="transform")
    assert passed == pytest.approx(2 * 57_300, rel=0.02)
    spans = witness.spans("sensor_etl", "batch_job.sensor_etl")
    names = {span.span_id: span.name for span in spans}
    above = {names[span.parent_id] for span in spans if span.name == "batch_job.sensor-etl"}
    assert above == {"batch_step.plain", "batch_step.spark"}
    steps = {names[span.parent_id] for span in spans if span.name == "spark.job"}
    assert steps == {"batch_step.extract", "batch_step.transform", "batch_step.load"}
    assert len({span.trace_id for span in spans}) == 1
