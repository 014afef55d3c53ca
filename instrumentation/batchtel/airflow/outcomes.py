"""How a try of a task or a DAG run ended, in the terms of batchtel."""

from __future__ import annotations

from typing import Final

from batchtel.airflow.facts import Task
from batchtel.base.identity import UNKNOWN, bounded
from batchtel.base.outcome import Outcome

RUN_ENDED: Final = frozenset({"success", "failed"})
"""States in which a DAG run has ended."""

TASK_ENDED: Final = RUN_ENDED | {"skipped", "upstream_failed", "removed"}
"""States of a task that Airflow leaves only when the task is cleared."""

ATTEMPT_ENDED: Final = RUN_ENDED | {"skipped", "up_for_retry"}
"""States that an attempt does not leave: Airflow 2 may call for one that it has found dead before, twice in 10 s."""

_TIMEOUTS: Final = {"AirflowTaskTimeout", "AirflowSensorTimeout"}
"""Airflow's exceptions for `execution_timeout` and for a sensor that has waited in vain."""

_TERMINATED: Final = "AirflowTaskTerminated"
"""What Airflow 2 raises in a task whose process gets SIGTERM."""


TERMINATED: Final = Outcome("cancelled", reason="SIGTERM")
"""The end of a try whose process was asked to end: by hand, by a clearing, or by the end of its run."""


def of_failure(task: Task, error: BaseException | str | None) -> Outcome:
    """Return how the failed try ended; `error` is an exception, Airflow's own message, or None."""
    return _failure(error)._replace(goes_on=task.state == "up_for_retry")


def _failure(error: BaseException | str | None) -> Outcome:
    if not isinstance(error, BaseException):
        # Airflow 2 reports sys.exit(3) as "Task failed due to SystemExit(3)".
        kind = "SystemExit" if error and "SystemExit(" in error else UNKNOWN
        return Outcome("failure", kind, reason=error or "")
    ancestry = {ancestor.__name__ for ancestor in type(error).__mro__}
    if ancestry & _TIMEOUTS:
        return Outcome("timeout", bounded(type(error).__name__), exception=error)
    if _TERMINATED in ancestry:
        return TERMINATED
    outcome = Outcome.of(error)
    # Airflow counts every SystemExit as a failure, that of sys.exit(0) too.
    return outcome if outcome.status == "failure" else Outcome("failure", bounded(type(error).__name__) or UNKNOWN)


def without_process(task: Task, reason: str) -> Outcome:
    """Return how a task ended that no process has reported: by its state, and Airflow's `reason`, if it has one."""
    if task.state == "success":
        return Outcome("success", reason=reason)
    if task.state == "failed":
        return Outcome("failure", UNKNOWN, reason=reason)
    return Outcome("skipped", reason=reason or task.state)


def lost(task: Task, reason: str) -> Outcome:
    """Return the outcome of a try whose process has gone without a report."""
    return Outcome("lost", reason=reason, goes_on=task.state == "up_for_retry")


def of_dag_run(state: str, message: str) -> Outcome:
    """Return how a DAG run ended; `message` is what Airflow passes to its listeners."""
    if state == "success":
        return Outcome("success")
    if message == "timed_out":
        return Outcome("timeout", reason=message)
    return Outcome("failure", message if message in _REASONS else UNKNOWN, reason=message)


_REASONS: Final = {"task_failure", "all_tasks_deadlocked"}
"""Airflow's reasons for a failed DAG run; other texts are free, so no labels."""
