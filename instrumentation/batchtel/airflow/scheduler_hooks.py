"""Hooks in the scheduler and the API server: they hand over DAG runs, and tasks that have no process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from batchtel.airflow import facts, outcomes, task_row
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.helper import MESSENGER
from batchtel.airflow.task_row import AT_ONCE, TaskRow

AT_A_TIME: Final = 2000
"""Tasks of one message, of 500 bytes each: a run may have thousands that no process has run."""

BY_ITS_TASKS: Final = {"success", "task_failure", "all_tasks_deadlocked"}
"""Messages of Airflow for a DAG run that its tasks have ended; others end from outside: by hand, or by a timeout."""

REMEMBERED_RUNS: Final = 10_000
"""Starts and ends of DAG runs that are remembered, some 3 MB: they are reported again within seconds or not at all."""

REMEMBERED_TASKS: Final = 1000
"""Tasks whose states were set by hand that this process remembers."""

_REPORTED: Final[dict[tuple[str, str, float | None, bool], None]] = {}
"""The starts and ends of DAG runs that this process has reported.

Airflow calls the hooks of DAG runs before it has committed what they report. When its database rejects that, for a
deadlock or a connection that is lost, the scheduler decides the same again and calls them again.
"""

_SET_BY_HAND: Final[dict[tuple[str, str, str, int, int], None]] = {}


def run_started(run: Any) -> None:
    """Hand over that a DAG run has started."""
    dag_run = facts.dag_run(run)
    if _is_new(dag_run):
        MESSENGER.send({"dag_run": dag_run._asdict(), "message": "", "database": facts.database()})


def run_ended(run: Any, message: str) -> None:
    """Hand over that a DAG run has ended, and its tasks whose ends no hook reports; `message` is Airflow's reason."""
    dag_run, rows = facts.dag_run(run), list(task_row.of_run(run))
    if dag_run.state in outcomes.RUN_ENDED and not _is_new(dag_run):
        return
    message = message or facts.inferred_reason(run)
    from_outside = message not in BY_ITS_TASKS
    if from_outside:
        waited = [row for row in rows if row.has_begun and (row.waits_for_process or row.waited_for_poke)]
        report_tasks(
            (task for task in (row.as_task() for row in waited) if task.key not in _SET_BY_HAND), message, started=True
        )
    # Airflow calls the hook for a run that is ended by hand, and again when its teardowns have ended.
    if dag_run.state not in outcomes.RUN_ENDED or (from_outside and _had_ended(run, dag_run)):
        return
    idle = [row for row in rows if not row.has_begun and not row.was_refused]
    reason = message if from_outside else ""
    report_tasks((row.as_task() for row in idle if not row.is_counted), reason)
    report_tasks((row.as_task() for row in idle if row.is_counted), reason, started=True, spanned=True)
    # All of them are loaded where the tasks have ended the run.
    begun = None if from_outside else sum(row.has_begun for row in rows)
    MESSENGER.send({"dag_run": dag_run._asdict(), "message": message, "begun": begun})


def _is_new(run: DagRun) -> bool:
    """Return whether this start or end of `run` is new; a cleared run has another `queued_at`, and counts as new."""
    key = (run.dag_id, run.run_id, run.queued_at, run.state == "running")
    if key in _REPORTED:
        return False
    _REPORTED[key] = None
    if len(_REPORTED) > REMEMBERED_RUNS:
        del _REPORTED[next(iter(_REPORTED))]
    return True


def _had_ended(run: Any, dag_run: DagRun) -> bool:
    """Return whether a DAG run whose state is set by hand had ended before; then it is counted."""
    loaded = vars(run)
    unwritten = getattr(loaded.get("_sa_instance_state"), "committed_state", {})
    if "_state" in unwritten:
        return facts.text(unwritten["_state"]) in outcomes.RUN_ENDED
    written = facts.moment(loaded.get("updated_at"))
    return None not in (written, dag_run.ended_at) and dag_run.ended_at < written - AT_ONCE  # type: ignore[operator]


def task_lost(task: Task, reason: str, *, begun: bool) -> None:
    """Hand over that a task has ended without a report; `reason` is Airflow's, `begun` is whether it ran at all."""
    report_tasks([task], reason, started=begun, lost=True)


def state_set(instance: Any, reason: str) -> None:
    """Hand over the end of a task whose state was set by hand while it waited for its next process.

    A task that has a process is reported by that, one that never had by the end of its run; one that had ended has
    been reported.
    """
    row = TaskRow(instance)
    if row.waits_for_process:
        task = row.as_task()
        _SET_BY_HAND[task.key] = None
        if len(_SET_BY_HAND) > REMEMBERED_TASKS:
            del _SET_BY_HAND[next(iter(_SET_BY_HAND))]
        report_tasks([task], reason, started=True)


def report_tasks(
    tasks: Iterable[Task], reason: str, *, started: bool = False, spanned: bool = False, lost: bool = False
) -> None:
    """Hand over the ends of tasks.

    Args:
        tasks: The tasks, in the states that they have ended in.
        reason: Why, as Airflow reports it; may be empty.
        started: Whether their starts have been reported.
        spanned: Whether the spans of their attempts have been reported.
        lost: Whether they had, or should have had, a process that has gone.
    """
    how = {"reason": reason, "started": started, "spanned": spanned, "lost": lost}
    all_of_them = [task._asdict() for task in tasks]
    for start in range(0, len(all_of_them), AT_A_TIME):
        MESSENGER.send({"tasks": all_of_them[start : start + AT_A_TIME], **how})
