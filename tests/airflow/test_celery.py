"""Airflow 3 with CeleryExecutor: a worker whose pool processes supervise one task after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pytest

from tests.airflow import lines
from tests.airflow.airflow import NO_LOG_SERVER, Airflow
from tests.airflow.installation import HERE
from tests.support import sink as sinks
from tests.support.polling import until
from tests.support.sink import Sink

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

DAG_ID: Final = "ends"

SETTINGS: Final = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    # It goes through exchanges of a kind that a broker in a database does not have.
    "AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
    # A busy machine needs longer than the 1 s after which the scheduler sends a task to the broker again.
    "AIRFLOW__CELERY__OPERATION_TIMEOUT": "60",
}

WITHOUT_CONTROL: Final = ("--without-mingle", "--without-gossip")
"""Options of a worker that has no remote control."""


class Ended(NamedTuple):
    """How a task has ended: its state and number of tries in Airflow's database, and the status of its step."""

    state: str
    tries: int
    status: str


TABLE: Final = {
    "succeeds": Ended("success", 1, "success"),
    "fails_then_succeeds": Ended("success", 2, "success"),
    "leaves": Ended("failed", 1, "lost"),
    "leaves_twice": Ended("failed", 2, "lost"),
    "killed": Ended("failed", 1, "lost"),
    "killed_with_supervisor": Ended("failed", 1, "lost"),
    "outlives_supervisor": Ended("failed", 1, "lost"),
    "loses_supervisor_then_succeeds": Ended("success", 2, "success"),
}

SUPERVISORS_KILLED: Final = 3
"""Tries that end with their pool process, which Celery counts as failures; all others are successes to it."""


@dataclass(frozen=True)
class Seen:
    """What has arrived when the run has ended, and how its tasks and those of Celery have in Airflow's database."""

    sink: Sink
    tasks: dict[str, tuple[str, int]]
    of_celery: Counter[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The DAG after one run on a worker."""
    with sinks.running() as sink:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, **SETTINGS}
        home = tmp_path_factory.mktemp("celery") / "home"
        with lines.running("3.3", home, HERE / "celery", variables, scheduler=False) as airflow:
            _start(airflow)
            airflow.command("dags", "trigger", DAG_ID)
            airflow.wait(DAG_ID)
            until("the end of the run", lambda: sink.events("batch.run.finished") or None, 60)
            time.sleep(10)  # What is counted twice comes later.
            tasks = {task_id: (state, tries) for task_id, _, state, tries in airflow.tasks(DAG_ID)}
            of_celery = Counter(status for (status,) in airflow.rows("SELECT status FROM celery_taskmeta"))
        yield Seen(sink, tasks, of_celery)


def _start(airflow: Airflow) -> None:
    """Start a worker, and then a scheduler; both find the broker and the results in Airflow's database."""
    airflow.environment["AIRFLOW__CELERY__BROKER_URL"] = f"sqla+{airflow.database.url}"
    airflow.start("celery", "worker", NO_LOG_SERVER, *WITHOUT_CONTROL, "--concurrency", str(len(TABLE)))
    airflow.wait_for_dag(DAG_ID)
    until("a worker that is ready", lambda: " ready." in airflow.log("celery") or None, 120)
    airflow.start("scheduler", NO_LOG_SERVER)


def test_the_worker_has_run_them(seen: Seen) -> None:
    """Airflow ends each task as in the table, and each try was a task of Celery: it is about that executor."""
    assert seen.tasks == {task_id: (ended.state, ended.tries) for task_id, ended in TABLE.items()}
    tries = sum(ended.tries for ended in TABLE.values())
    assert seen.of_celery == {"SUCCESS": tries - SUPERVISORS_KILLED, "FAILURE": SUPERVISORS_KILLED}


@pytest.mark.parametrize("task_id", TABLE)
@pytest.mark.compatible(
    "Airflow",
    "CeleryExecutor, 3.3: success, a retry, `os._exit`, SIGKILL, and a supervisor that is killed",
    "one start and one end for each task, as Airflow ends it",
)
def test_each_end_is_one(seen: Seen, task_id: str) -> None:
    """A task has started once and completed once, with the retries that it had, in metrics and in events."""
    ended, step = TABLE[task_id], {"job_name": DAG_ID, "step_name": task_id}
    completions: dict[str, float] = {}
    for point in _points(seen.sink, "batch.step.completions", task_id):
        status = point.attributes["status"]
        completions[status] = completions.get(status, 0) + point.value
    assert {status: count for status, count in completions.items() if count} == {ended.status: 1}
    assert seen.sink.total("batch.step.runs.started", **step) == 1
    assert sum(point.value for point in _points(seen.sink, "batch.step.retries", task_id)) == ended.tries - 1
    finished = [event.attributes for event in seen.sink.events("batch.step.finished")]
    statuses = [event["batch.status"] for event in finished if event["batch.step.name"] == task_id]
    assert statuses == [ended.status]


def test_the_run_has_failed_once(seen: Seen) -> None:
    """The DAG run is one failure."""
    assert seen.sink.total("batch.job.completions", job_name=DAG_ID) == 1
    assert seen.sink.total("batch.job.completions", job_name=DAG_ID, status="failure") == 1


def _points(sink: Sink, metric: str, task_id: str) -> list[Any]:
    """Return the points of one task."""
    return [point for point in sink.points(metric) if point.attributes["step_name"] == task_id]
