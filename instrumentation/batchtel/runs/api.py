"""`job` and `step`: one object each, to be used as a context manager and as a decorator, sync and async.

The modules that record are imported where the first run begins, unless batchtel is turned off: a job that is turned off
starts 20 ms earlier without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast, overload

from batchtel.base.calls import lenient
from batchtel.base.guard import harmless
from batchtel.base.ignoring import IGNORING
from batchtel.base.values import is_given, text_of
from batchtel.runs import unrecorded
from batchtel.runs.definition import Definition, Function
from batchtel.runs.job_run import JobRun
from batchtel.runs.opening import Opened
from batchtel.runs.step_run import StepRun

if TYPE_CHECKING:
    from datetime import datetime


class Job(Definition[JobRun]):
    """A job; opening it starts a run, or joins the run that is open if that is one of the same job."""

    def __init__(self, name: str, run_id: str | None, **given: Any) -> None:
        super().__init__(name)
        self._given = given
        self._run_id = text_of(run_id) if is_given(run_id) else None

    def _named(self, name: str) -> Self:
        return type(self)(name, self._run_id, **self._given)

    def _open(self) -> Opened[JobRun]:
        if unrecorded.is_all():
            return unrecorded.open_job(self._name, self._run_id, self._given.get("attempt"))
        from batchtel.runs import recorded

        return recorded.open_job(self._name, self._run_id, self._given)

    def _unrecorded(self) -> Opened[JobRun]:
        return Opened(unrecorded.job_run(self._name), None)


class Step(Definition[StepRun]):
    """A step; opening it starts an execution within the current run."""

    def _named(self, name: str) -> Self:
        return type(self)(name)

    def _open(self) -> Opened[StepRun]:
        if unrecorded.is_all():
            return unrecorded.open_step(self._name)
        from batchtel.runs import recorded

        return recorded.open_step(self._name)

    def _unrecorded(self) -> Opened[StepRun]:
        return Opened(unrecorded.step_run(self._name), None)


if TYPE_CHECKING:

    @overload
    def job(name: Function) -> Function: ...
    @overload
    def job(
        name: str = "",
        type: str = "",
        *,
        run_id: str | None = None,
        attempt: int | None = None,
        scheduled_at: datetime | float | str | None = None,
        queued_at: datetime | float | str | None = None,
    ) -> Job: ...


@lenient("unknown", call='batchtel.job("nightly_etl", type="etl")')
def job(
    name: Any = "",
    type: str = "",  # noqa: A002  # the term of users
    *,
    run_id: str | None = None,
    attempt: int | None = None,
    scheduled_at: datetime | float | str | None = None,
    queued_at: datetime | float | str | None = None,
) -> Any:
    """Define a job, for `with`, `async with` and as a decorator; entering it starts a run.

    Args:
        name: Name of the job: bounded, never with an id or a date in it; the name of the decorated function if not
            given, also without parentheses: `@batchtel.job`.
        type: Kind of the job, one of the environment's list, for example `etl`; BATCHTEL_JOB_TYPE or `batch` if not
            given.
        run_id: Id of the run; BATCHTEL_RUN_ID or a new UUIDv7 if not given.
        attempt: Number of the attempt, from 1; BATCHTEL_ATTEMPT if not given.
        scheduled_at: When the run was due, as a datetime, Unix time in seconds, or ISO 8601; BATCHTEL_SCHEDULED_AT if
            not given.
        queued_at: When it began to wait for its start, in the same forms; BATCHTEL_QUEUED_AT if not given.
    """
    if _is_bare(name):
        return Job("", None)(name)
    return Job(name, run_id, type=type, attempt=attempt, scheduled_at=scheduled_at, queued_at=queued_at)


if TYPE_CHECKING:

    @overload
    def step(name: Function) -> Function: ...
    @overload
    def step(name: str = "") -> Step: ...


@lenient("unknown", call='batchtel.step("extract")')
def step(name: Any = "") -> Any:
    """Define a step, for `with`, `async with` and as a decorator; entering it starts the step in the current run.

    As a decorator without a name, `@batchtel.step`, it has the name of the function.
    """
    return Step("")(name) if _is_bare(name) else Step(name)


def current_job() -> JobRun:
    """Return the run that this code belongs to; outside of one, a run that records nothing."""
    return _current_job() or cast("JobRun", IGNORING)


@harmless(None)
def _current_job() -> JobRun:
    if unrecorded.is_all():
        return unrecorded.current_job()
    from batchtel.runs import recorded

    return recorded.current_job()


def current_step() -> StepRun:
    """Return the step that this code belongs to; outside of one, a step that records nothing."""
    return _current_step() or cast("StepRun", IGNORING)


@harmless(None)
def _current_step() -> StepRun:
    if unrecorded.is_all():
        return unrecorded.current_step()
    from batchtel.runs import recorded

    return recorded.current_step()


def _is_bare(name: object) -> bool:
    """Whether `name` is what a decorator without parentheses is given."""
    return not isinstance(name, str) and (callable(name) or hasattr(type(name), "__get__"))
