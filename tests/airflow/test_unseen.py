"""Airflow 3 where its own supervisors are killed, tasks end unseen, and runs are judged while they run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.airflow import lines
from tests.airflow.hands import Hands
from tests.airflow.installation import HERE
from tests.support import sink as sinks
from tests.support.labels import label_of
from tests.support.polling import until
from tests.support.sink import Sink

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

CATALOGUE: Final = """
[jobs.violates.sla]
max_duration = "5s"
min_records = 10
max_failure_rate = 0.01
max_data_age = "1h"

[jobs.keeps.sla]
min_records = 30
max_failure_rate = 0.1

[jobs.reports_nothing.sla]
min_records = 1
"""

DAGS: Final = ("unseen", "violates", "waits", "keeps", "reports_nothing", "long_names")

SECONDS: Final = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}
"""After how long without a heartbeat a task is failed: a supervisor is killed."""


@dataclass(frozen=True)
class Seen:
    """What has arrived when all runs have ended, and what Airflow made of the tasks of `unseen`."""

    sink: Sink
    states: dict[str, str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All DAGs after one run."""
    folder = tmp_path_factory.mktemp("unseen")
    (folder / "jobs.toml").write_text(CATALOGUE, encoding="utf-8")
    with sinks.running() as sink:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "BATCHTEL_CATALOGUE": str(folder / "jobs.toml"),
            "AIRFLOW__CORE__PARALLELISM": "16",
            **SECONDS,
        }
        with lines.running("3.3", folder / "home", HERE / "unseen", variables) as airflow:
            assert isinstance(airflow, lines.Airflow3)
            hands = Hands(airflow)
            hands.add_pool("narrow", 1)
            for dag_id in DAGS:
                airflow.wait_for_dag(dag_id)
                hands.trigger(dag_id)
            airflow.wait(*DAGS)
            states = {task_id: state for task_id, _, state, _ in airflow.tasks("unseen")}

            def ended() -> bool | None:
                return {_name(event) for event in sink.events("batch.run.finished")} >= set(DAGS) or None

            until("the ends of all runs", ended, 60)
            time.sleep(10)  # What is counted twice comes later.
        yield Seen(sink, states)


def _name(event: Any) -> str:
    return str(event.attributes["batch.job.name"])


@pytest.mark.parametrize(
    "task_id",
    [
        *("leaves_twice", "leaves", "becomes_true", "becomes_false", "killed", "killed_with_supervisor"),
        *("succeeds_unsupervised", "outlives_supervisor"),
    ],
)
@pytest.mark.compatible(
    "Airflow",
    "LocalExecutor, 3.3: `os._exit`, exec, and a supervisor that is killed",
    "one loss",
)
def test_an_end_that_no_hook_sees_is_one(seen: Seen, task_id: str) -> None:
    """A task that ends by exit code 0 or without its supervisor has failed in Airflow, and is lost once."""
    assert seen.states[task_id] == "failed"
    completions: dict[str, float] = {}
    for point in seen.sink.points("batch.step.completions"):
        if (point.attributes["job_name"], point.attributes["step_name"]) == ("unseen", task_id) and point.value:
            status = point.attributes["status"]
            completions[status] = completions.get(status, 0) + point.value
    assert completions == {"lost": 1}
    assert seen.sink.total("batch.step.runs.started", job_name="unseen", step_name=task_id) == 1
    assert seen.sink.total("batch.step.duration", job_name="unseen", step_name=task_id, status="failure") >= 1


def test_a_run_is_judged_while_it_runs(seen: Seen) -> None:
    """Its duration is reported before its end, records and data at its end, each once, from all processes."""
    violated = [event for event in seen.sink.events("batch.sla.violated") if _name(event) == "violates"]
    kinds = [event.attributes["batch.sla.violation"] for event in violated]
    assert kinds == ["duration_exceeded", "failure_rate_exceeded", "insufficient_records", "data_stale"]
    assert violated[0].attributes["batch.sla.observed"] < 45
    assert violated[2].attributes["batch.sla.observed"] == 9
    for kind in kinds:
        assert seen.sink.total("batch.job.sla.violations", job_name="violates", violation_type=kind) == 1


@pytest.mark.parametrize(
    ("dag_id", "met"), [("violates", False), ("keeps", True), ("reports_nothing", None), ("waits", None)]
)
def test_only_what_was_judged_is_met(seen: Seen, dag_id: str, met: bool | None) -> None:
    """A run with a rule that was not judged, or without any, reports nothing of its SLA."""
    (finished,) = (event for event in seen.sink.events("batch.run.finished") if _name(event) == dag_id)
    assert finished.attributes.get("batch.sla.met") == met
    assert seen.sink.span(f"batch_job.{dag_id}").attributes.get("batch.sla.met") == met


def test_what_waits_has_a_state(seen: Seen) -> None:
    """A task that waits for its pool is scheduled after the other one has started to run."""
    states = {
        point.attributes["state"]: point.value
        for point in seen.sink.points("batch.step.state.timestamp")
        if point.attributes["job_name"] == "waits"
    }
    assert {"scheduled", "running", "success"} <= set(states)


def test_execution_is_recorded_for_every_run(seen: Seen) -> None:
    """Each DAG run has one value."""
    for dag_id in DAGS:
        assert seen.sink.total("batch.job.execution", job_name=dag_id) == 1


def test_long_names_stay_apart(seen: Seen) -> None:
    """Tasks whose ids differ after 120 characters are two series, and whole on spans."""
    group = "transform_" + "warehouse_" * 5 + ".model_" + "orders_enriched_" * 4 + "."
    for task_id, status in ((f"{group}run", "success"), (f"{group}test", "failure")):
        step = {"job_name": "long_names", "step_name": label_of(task_id)}
        assert seen.sink.total("batch.step.completions", **step, status=status) == 1
        assert seen.sink.span(f"batch_step.{task_id}").attributes["batch.step.name"] == task_id
