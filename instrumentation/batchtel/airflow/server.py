"""What the hooks in the scheduler and the API server hand over: DAG runs, and tasks that have no process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from batchtel.airflow import facts, task_row, told_runs
from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.messenger import MESSENGER
from batchtel.airflow.task_row import AT_ONCE, TaskRow

AT_A_TIME: Final = 2000
"""Tasks of one message, of 500 bytes each: a run may have thousands that no process has run."""

FINISHED: Final = {"success", "failed"}
"""States in which a DAG run has ended."""

BY_ITS_TASKS: Final = {"success", "task_failure", "all_tasks_deadlocked"}
"""What Airflow says of a DAG run that its tasks have ended; others are ended from outside: by hand, or by a timeout."""

REMEMBERED: Final = 1000
"""Tasks whose states were set by hand that this process remembers."""

_SET_BY_HAND: Final[dict[tuple[str, str, str, int, int], None]] = {}


def run_started(run: Any) -> None:
    """Hand over that a DAG run has started."""
    told = facts.dag_run(run)
    if told_runs.first_time(told):
        MESSENGER.send({"dag_run": told._asdict(), "message": "", "database": facts.database()})


def run_ended(run: Any, message: str) -> None:
    """Hand over that a DAG run has ended, and its tasks whose ends no hook tells; `message` is Airflow's reason."""
    told, rows = facts.dag_run(run), list(task_row.of_run(run))
    if told.state in FINISHED and not told_runs.first_time(told):
        return
    message = message or facts.unsaid_reason(run)
    from_outside = message not in BY_ITS_TASKS
    if from_outside:
        waited = [row for row in rows if row.has_begun and (row.waits_for_process or row.waited_for_poke)]
        tell_tasks(
            (task for task in (row.told() for row in waited) if task.key not in _SET_BY_HAND), message, started=True
        )
    # Airflow calls the hook for a run that is ended by hand, and again when its teardowns have ended.
    if told.state not in FINISHED or (from_outside and _had_ended(run, told)):
        return
    idle = [row for row in rows if not row.has_begun and not row.was_refused]
    reason = message if from_outside else ""
    tell_tasks((row.told() for row in idle if not row.is_counted), reason)
    tell_tasks((row.told() for row in idle if row.is_counted), reason, started=True, spanned=True)
    # All of them are loaded where the tasks have ended the run.
    begun = None if from_outside else sum(row.has_begun for row in rows)
    MESSENGER.send({"dag_run": told._asdict(), "message": message, "begun": begun})


def _had_ended(run: Any, told: DagRun) -> bool:
    """Tell whether a DAG run whose state is set by hand had ended before; then it is counted."""
    loaded = vars(run)
    unwritten = getattr(loaded.get("_sa_instance_state"), "committed_state", {})
    if "_state" in unwritten:
        return facts.text(unwritten["_state"]) in FINISHED
    written = facts.moment(loaded.get("updated_at"))
    return None not in (written, told.ended_at) and told.ended_at < written - AT_ONCE  # type: ignore[operator]


def task_lost(task: Task, reason: str, *, begun: bool) -> None:
    """Hand over that a task has ended without a word; `reason` is what Airflow knows, `begun` whether it ran at all."""
    tell_tasks([task], reason, started=begun, lost=True)


def state_set(instance: Any, reason: str) -> None:
    """Hand over the end of a task whose state was set by hand while it waited for its next process.

    One that has a process is told by that, one that never had by the end of its run, and one that had ended was told.
    """
    row = TaskRow(instance)
    if row.waits_for_process:
        task = row.told()
        _SET_BY_HAND[task.key] = None
        if len(_SET_BY_HAND) > REMEMBERED:
            del _SET_BY_HAND[next(iter(_SET_BY_HAND))]
        tell_tasks([task], reason, started=True)


def tell_tasks(
    tasks: Iterable[Task], reason: str, *, started: bool = False, spanned: bool = False, lost: bool = False
) -> None:
    """Hand over the ends of tasks.

    Args:
        tasks: The tasks, in the states that they have ended in.
        reason: Why, in Airflow's words; may be empty.
        started: Whether their starts have been told.
        spanned: Whether the spans of their attempts have been told.
        lost: Whether they had, or should have had, a process that has gone.
    """
    how = {"reason": reason, "started": started, "spanned": spanned, "lost": lost}
    all_of_them = [task._asdict() for task in tasks]
    for start in range(0, len(all_of_them), AT_A_TIME):
        MESSENGER.send({"tasks": all_of_them[start : start + AT_A_TIME], **how})
