"""The hooks of tasks: in the process of the task they open and close its attempt."""

from __future__ import annotations

from typing import Any, Final

from batchtel.airflow import facts, outcomes
from batchtel.airflow.sensor_pokes import poked_before
from batchtel.airflow.task_attempt import OPEN, TaskAttempt
from batchtel.airflow.task_row import TaskRow
from batchtel.base.outcome import Outcome


def running(instance: Any) -> None:
    """Open the attempt of a task that is about to run here."""
    task = facts.task(instance)
    if poked_before(task, instance):
        task = task._replace(goes_on_again=True)
    if task.key not in OPEN:
        OPEN[task.key] = TaskAttempt(task, instance)
        OPEN[task.key].open()


def succeeded(instance: Any) -> None:
    """Close the attempt as success."""
    _settle(facts.task(instance), Outcome("success"))


def failed(instance: Any, error: BaseException | str | None) -> None:
    """Close the attempt with the outcome of `error`; one that is open in no process was lost with its own.

    The scheduler calls this for a task whose executor or heartbeat shows that it is gone, in Airflow 2 its child that
    parses DAGs.
    """
    task = facts.task(instance)
    if task.key not in OPEN and isinstance(error, BaseException):
        running(instance)  # It failed on the way to the hook that opens it: its templates cannot be rendered.
    if task.key in OPEN:
        outcome = outcomes.of_failure(task, error)
        # Airflow rejected the report: what looks like another try was set by hand, cleared, or ended with its run.
        refused = getattr(instance, "_terminal_state_send_failed", False)
        _settle(task, outcome._replace(goes_on=False) if refused else outcome)
        return
    # Both lines call every previous state running.
    before = facts.state_before(instance) or "running"
    if before not in ENDED:
        from batchtel.airflow import scheduler_hooks

        begun = before == "running" or TaskRow(instance).waits_for_process
        scheduler_hooks.task_lost(task, str(error or ""), begun=begun)


ENDED: Final = {"success", "failed", "skipped", "up_for_retry"}
"""States that an attempt does not leave: Airflow 2 may call for one that it has found dead before, twice in 10 s."""


def skipped(instance: Any) -> None:
    """Close the attempt as skipped, which is no error."""
    _settle(facts.task(instance), Outcome("skipped"))


def stopping() -> None:
    """Leave what is still open to the process that goes on with it.

    A task that has skipped itself ends here before 3.1.8, which brought the hook for it; so does a task that Airflow 2
    ends because somebody has set its state.
    """
    while OPEN:
        attempt = OPEN.popitem()[1]
        state = facts.task(attempt.instance).state
        if _was_ended(attempt.instance, state):
            attempt.settle(outcomes.TERMINATED)
        elif state == "skipped":
            attempt.settle(Outcome("skipped"))
        else:
            attempt.suspend()


def _was_ended(instance: Any, state: str) -> bool:
    """Return whether Airflow 2 ends the process for a state that was set elsewhere: by hand, or at the end of the run.

    Only a task that has skipped itself has written down when it ended.
    """
    by_hand = state in ("success", "failed")
    return facts.is_row(instance) and (by_hand or (state == "skipped" and not TaskRow(instance).has_ended))


def _settle(task: facts.Task, outcome: Outcome) -> None:
    attempt = OPEN.pop(task.key, None)
    if attempt is not None:
        attempt.settle(outcome)
