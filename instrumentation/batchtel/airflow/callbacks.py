"""DAGs that report by callbacks, for those who cannot have the plugin where their scheduler runs.

A callback gets less than a hook: it is called for what has a process, and for a DAG run when that has ended. Where
Airflow has the listener of the plugin, callbacks do nothing: nothing is reported twice.
"""

from __future__ import annotations

import atexit
import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from batchtel.airflow import facts, outcomes, task_attempt
from batchtel.airflow.listener import contained
from batchtel.airflow.task_attempt import BETWEEN_POKES, OPEN, send_all
from batchtel.base.outcome import Outcome
from batchtel.runs.airflow_process import at_logging_shutdown
from batchtel.schema import settings

Observed = TypeVar("Observed")
Context = Mapping[str, Any]


def observe(dag: Observed) -> Observed:
    """Let a DAG report its runs and tasks by callbacks; those that it has are kept, and called as ever.

    Call it after the last task is there, as `observe(dag)`; or decorate the function below `@dag`'s decorator with it:

        @observe
        @dag(schedule="@daily")
        def nightly(): ...

    Args:
        dag: A DAG, or a function that returns one.

    Returns:
        The same DAG, or a function that returns it observed.

    Raises:
        TypeError: It is neither.
    """
    if hasattr(dag, "task_dict"):
        _observe(dag)
        return dag
    if not callable(dag):
        raise TypeError(f"observe() needs a DAG, or a function that @dag has made; this is {dag!r:.60}")

    @functools.wraps(dag)
    def observed(*args: Any, **kwargs: Any) -> Any:
        return observe(dag(*args, **kwargs))

    return cast("Observed", observed)


def _observe(dag: Any) -> None:
    for task in dag.task_dict.values():
        if not _needs_no_process(task):
            for name, ours in _OF_TASKS.items():
                setattr(task, name, _chained(getattr(task, name, None), ours))
    for name, ours in _OF_RUNS.items():
        setattr(dag, name, _chained(getattr(dag, name, None), ours))
        # Airflow looked at the callbacks when the DAG was made.
        setattr(dag, f"has_{name}", True)


def _needs_no_process(task: Any) -> bool:
    """Whether the scheduler ends the task by itself, which a callback would keep it from: an EmptyOperator."""
    callbacks = getattr(task, "on_execute_callback", None) or getattr(task, "on_success_callback", None)
    return bool(task.inherits_from_empty_operator and not callbacks and not task.outlets)


def _chained(theirs: Any, ours: Callable[[Context], None]) -> list[Any]:
    """Return a new list of callbacks: that of `default_args` may be shared by many tasks.

    Ours is the first at the start and the last at the end, so that what theirs record belongs to the task.
    """
    kept = [theirs] if callable(theirs) else list(theirs or ())
    if ours in kept:
        return kept
    return [ours, *kept] if ours is started else [*kept, ours]


def _has_listener() -> bool:
    """Whether the listener of the plugin is at work in this process."""
    plugin = getattr(sys.modules.get("batchtel.airflow.plugin"), "BatchtelPlugin", None)
    return bool(getattr(plugin, "listeners", ()))


@contained
def started(context: Context) -> None:
    """Open the attempt of a task."""
    # The watch would report a killed process as lost; but also one that Airflow 2 ends by os._exit when the task is
    # deferred, for which it calls no callback.
    if _has_listener() or not task_attempt.running(context["ti"], watched=False):
        return
    # After telemetry's own handler was registered, so it is called before that one.
    atexit.register(_suspend)
    at_logging_shutdown(_send)


@contained
def succeeded(context: Context) -> None:
    """Close the attempt as success."""
    _settle(context, Outcome("success"))


@contained
def skipped(context: Context) -> None:
    """Close the attempt as skipped."""
    _settle(context, Outcome("skipped"))


@contained
def failed(context: Context) -> None:
    """Close the attempt as failed for good."""
    _fail(context, goes_on=False)


@contained
def failed_for_now(context: Context) -> None:
    """Close the attempt as failed; another one follows."""
    _fail(context, goes_on=True)


def _fail(context: Context, *, goes_on: bool) -> None:
    if _has_listener():
        return
    task = facts.task(context["ti"])
    error = context.get("exception")
    if task.key in OPEN:
        task_attempt.settle(task, outcomes.of_failure(task, error)._replace(goes_on=goes_on))
    elif facts.state_before(context["ti"]) not in outcomes.ATTEMPT_ENDED:
        _report_lost(task, error, goes_on=goes_on)


def _settle(context: Context, outcome: Outcome) -> None:
    if not _has_listener():
        task_attempt.settle(facts.task(context["ti"]), outcome)


def _report_lost(task: facts.Task, error: Any, *, goes_on: bool) -> None:
    """Report a task whose process has gone: Airflow calls its callback where it parses DAGs."""
    from batchtel.airflow import task_step

    lost = Outcome("lost", reason=str(error or ""), goes_on=goes_on)
    task_step.report(task, lost, started=task.started_at is not None)
    send_all(settings.read().deadline)


def _suspend() -> None:
    """Leave what is open at the end of the process to the one that goes on with it: the task was deferred."""
    while OPEN:
        OPEN.popitem()[1].suspend()


def _send() -> None:
    """Send what there is of a task that Airflow 2 has deferred."""
    if OPEN:
        send_all(BETWEEN_POKES)


@contained
def run_succeeded(context: Context) -> None:
    """Report a DAG run that has succeeded."""
    _report_run(context, "success")


@contained
def run_failed(context: Context) -> None:
    """Report a DAG run that has failed."""
    _report_run(context, "failed")


def _report_run(context: Context, state: str) -> None:
    if _has_listener():
        return
    from batchtel.airflow.dag_run import ReportedRun

    # Where no task of the run is loaded, Airflow 3 passes its id and the reason, and no more.
    run = facts.dag_run(context.get("dag_run"))._replace(
        dag_id=context["dag"].dag_id,
        run_id=str(context["run_id"]),
        state=state,
        owner=facts.owners(context["dag"]),
        tags=facts.tags(context["dag"]),
    )
    ReportedRun(run).report(outcomes.of_dag_run(state, str(context.get("reason") or "")))
    send_all(settings.read().deadline)


_OF_TASKS: Final = {
    "on_execute_callback": started,
    "on_success_callback": succeeded,
    "on_skipped_callback": skipped,
    "on_failure_callback": failed,
    "on_retry_callback": failed_for_now,
}
_OF_RUNS: Final = {"on_success_callback": run_succeeded, "on_failure_callback": run_failed}
