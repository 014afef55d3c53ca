"""The hooks of tasks: in the process of the task they open and close its attempt."""

from __future__ import annotations

from typing import Any

from batchtel.airflow import facts, outcomes
from batchtel.airflow.task_attempt import OPEN, TaskAttempt
from batchtel.outcome import Outcome


def running(instance: Any) -> None:
    """Open the attempt of a task that is about to run here."""
    task = facts.task(instance)
    if task.key not in OPEN:
        OPEN[task.key] = TaskAttempt(task)
        OPEN[task.key].open()


def succeeded(instance: Any) -> None:
    """Close the attempt as success."""
    _settle(facts.task(instance), Outcome("success"))


def failed(instance: Any, error: BaseException | str | None) -> None:
    """Close the attempt as `error` says."""
    task = facts.task(instance)
    _settle(task, outcomes.of_failure(task, error))


def skipped(instance: Any) -> None:
    """Close the attempt as skipped, which is no error."""
    _settle(facts.task(instance), Outcome("skipped"))


def stopping() -> None:
    """Leave what is still open to the process that goes on with it."""
    while OPEN:
        OPEN.popitem()[1].suspend()


def _settle(task: facts.Task, outcome: Outcome) -> None:
    attempt = OPEN.pop(task.key, None)
    if attempt is not None:
        attempt.settle(outcome)
