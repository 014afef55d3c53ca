"""Runs and steps that are recorded: how they open, and which of them is the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchtel.base import run_environment
from batchtel.base.guard import warn_once
from batchtel.base.identity import UNKNOWN, clean_name
from batchtel.runs import current, job_run, run_mark, step_run
from batchtel.runs.attempt import offered_attempt
from batchtel.runs.job_run import JobRun
from batchtel.runs.joined_run import resumed
from batchtel.runs.opening import Opened
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope
from batchtel.runs.step import Step
from batchtel.runs.step_run import StepRun


def open_job(name: str, run_id: str | None, given: Mapping[str, Any]) -> Opened[JobRun]:
    """Open a job: start a run, or join the one that is open if that is one of the same job.

    `run_id` is None where any run of the job is meant; `given` are further arguments of `Run`.
    """
    # Also where it joins a run: the attempt is none of what begins within.
    own_name, several = clean_name(name, "job").whole, offered_attempt()
    here = current.here()
    if here is not None and here.run.is_open and _is(here.job.name, here.job.run_id, own_name, run_id):
        return Opened(job_run.handle(here.job), None)
    around, own = (_joined(own_name, run_id), run_environment.own()) if here is None else (None, None)
    if around is not None:
        scope = around
    elif own is not None and _is(own.job, own.run_id, own_name, run_id):
        scope = run_mark.resume(own, resumed(own))
    else:
        run = Run(name, run_id=run_id, of_several=several, **given)
        scope = run_mark.begin(run, outer=current.outer())
    return Opened(job_run.handle(scope.job), scope)


def _joined(name: str, run_id: str | None) -> Scope | None:
    """Begin this process's part in a run of the same job that another process has opened; None if there is none."""
    if not current.may_be_within():
        return None
    from batchtel.runs import member

    found = member.open_run()
    return member.join(found) if found is not None and _is(found.run.job, found.run.run_id, name, run_id) else None


def _is(name: str, run_id: str, own_name: str, own_id: str | None) -> bool:
    """Whether the run `run_id` of the job `name` is one of the job `own_name`, of the id `own_id` if that is given."""
    return own_name == name and own_id in (None, run_id)


def open_step(name: str) -> Opened[StepRun]:
    """Open a step: start an execution within the current run; outside of one it is not recorded."""
    around = _scope()
    if around is None:
        warn_once(f"step:{name}", "step %.60r runs outside of any job(), so it is not recorded", name)
        return Opened(step_run.handle(Step(name, Run(UNKNOWN))), None)
    step = Step(name, around.job, offered_attempt())
    scope = Scope(step, around.run)
    scope.begin(outer=around)
    return Opened(step_run.handle(step), scope)


def current_job() -> JobRun:
    """Return the run that this code belongs to; outside of one, a run that records nothing."""
    scope = _scope()
    return job_run.handle(Run(UNKNOWN) if scope is None else scope.job)


def current_step() -> StepRun:
    """Return the step that this code belongs to; outside of one, a step that records nothing."""
    scope = _scope()
    if scope is not None and isinstance(scope.recorded, Step):
        return step_run.handle(scope.recorded)
    return step_run.handle(Step(UNKNOWN, Run(UNKNOWN) if scope is None else scope.job))


def _scope() -> Scope | None:
    """Return the innermost open run or step, or the run around; else, in a task of Airflow without hooks, the task."""
    scope = current.scope()
    if scope is not None or current.open_scopes():
        return scope
    if run_environment.airflow_task() is None:
        return current.around(afresh=True)
    from batchtel.runs import airflow_context

    return airflow_context.task()
