"""Every way that a try can end, through the real scheduler, is counted once and as what it was."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.airflow.conftest import Played
from tests.support.witness import Witness

pytestmark = pytest.mark.airflow


class Reported(NamedTuple):
    """What is to be in Prometheus of one task, and the state that Airflow gave it."""

    state: str
    started: int
    completions: dict[tuple[str, str], int]
    retries: int = 0


SUCCESS = {("success", ""): 1}

TABLE = {
    "retried": Reported("success", 1, SUCCESS, retries=1),
    "used_up": Reported("failed", 1, {("failure", "KeyError"): 1}, retries=1),
    "skips_itself": Reported("skipped", 1, {("skipped", ""): 1}),
    "too_long": Reported("failed", 1, {("timeout", "AirflowTaskTimeout"): 1}),
    "exits": Reported("failed", 1, {("failure", "SystemExit"): 1}),
    "killed": Reported("failed", 1, {("lost", ""): 1}),
    "killed_once": Reported("success", 1, SUCCESS, retries=1),
    "leaves": Reported("failed", 1, {("lost", ""): 1}),
    "leaves_twice": Reported("failed", 1, {("lost", ""): 1}, retries=1),
    "pokes": Reported("success", 1, SUCCESS),
    "defers": Reported("success", 1, SUCCESS),
    "starts_deferred": Reported("success", 1, SUCCESS),
    "branch": Reported("success", 1, SUCCESS),
    "chosen": Reported("success", 1, SUCCESS),
    "not_chosen": Reported("skipped", 1, {("skipped", ""): 1}),
    "after_failure": Reported("upstream_failed", 1, {("skipped", ""): 1}),
    "bash": Reported("success", 1, SUCCESS),
}


def test_the_states_are_airflows(played: Played) -> None:
    """Airflow ended each task as in the table: what follows is about the right outcomes."""
    found = {task_id: state for task_id, _, state, _ in played.airflow.tasks("outcomes")}
    assert found == {task_id: row.state for task_id, row in TABLE.items()}


def assert_reported(witness: Witness, dag_id: str, task_id: str, row: Reported) -> None:
    """Assert that Prometheus has of a task what `row` has, and no more; or has it soon."""
    step = {"step_name": task_id}
    for (status, error_type), count in row.completions.items():
        labels = step | {"status": status} | ({"error_type": error_type} if error_type else {})
        witness.wait_added("batch.step.completions", dag_id, count, **labels)
    assert witness.added("batch.step.completions", dag_id, **step) == sum(row.completions.values())
    # Not there for certain where the completions are: Prometheus evaluates one rule after the other.
    witness.wait_added("batch.step.runs.started", dag_id, row.started, **step)
    witness.wait_added("batch.step.retries", dag_id, row.retries, **step)


@pytest.mark.parametrize("task_id", TABLE)
@pytest.mark.compatible(
    "Airflow",
    "LocalExecutor, 3.3 and 2.11: every way that a try can end",
    "one start and one end for each task, as Airflow ends it",
)
def test_each_outcome(played: Played, task_id: str) -> None:
    """A task has started once, has completed once as it ended, and has the retries that it had."""
    assert_reported(played.witness, "outcomes", task_id, TABLE[task_id])


def test_attempts_in_the_trace(played: Played) -> None:
    """Each attempt has one span, however many processes it went through."""
    spans = played.witness.spans("outcomes", "batch_job.outcomes")
    count = {task_id: sum(span.name == f"batch_step.{task_id}" for span in spans) for task_id in TABLE}
    assert count == {task_id: 1 + row.retries for task_id, row in TABLE.items()}
