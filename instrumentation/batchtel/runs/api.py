"""`job` and `step`: one object each, to be used as a context manager and as a decorator, sync and async."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, cast, overload

from batchtel.base import run_environment
from batchtel.base.calls import lenient
from batchtel.base.guard import harmless, warn_once
from batchtel.base.identity import clean_name
from batchtel.base.values import is_given, text_of
from batchtel.runs import current, job_run, run_mark, step_run
from batchtel.runs.attempt import offered_attempt
from batchtel.runs.decorated import recorded
from batchtel.runs.handle import IGNORING
from batchtel.runs.job_run import JobRun
from batchtel.runs.joined_run import resumed
from batchtel.runs.opening import Held, Opened
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope
from batchtel.runs.step import Step as StepRecord
from batchtel.runs.step_run import StepRun

Function = TypeVar("Function", bound=Callable[..., Any])


class Definition(ABC, Generic[Held]):
    """Something that can be opened any number of times, also at the same time; each opening has its own state."""

    def __init__(self, name: str) -> None:
        self._name = text_of(name)
        self._left_over: list[Opened[Held]] = []

    @abstractmethod
    def _open(self) -> Opened[Held]: ...

    @abstractmethod
    def _unrecorded(self) -> Opened[Held]: ...

    def _opened(self) -> Opened[Held]:
        return self._try_to_open() or self._try_without_record() or Opened(cast("Held", IGNORING), None)

    @harmless(None)
    def _try_to_open(self) -> Opened[Held]:
        return self._open()

    @harmless(None)
    def _try_without_record(self) -> Opened[Held]:
        return self._unrecorded()

    def __enter__(self) -> Held:
        opened = self._opened()
        self._left_over.append(opened)
        _stack.set((*_stack.get(), (self, opened)))
        return opened.handle

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pop_opening().__exit__(kind, exception, trace)

    async def __aenter__(self) -> Held:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)

    def _pop_opening(self) -> Opened[Held]:
        """Find the opening that this `with` block made: the last one of this context."""
        stack = _stack.get()
        for position in range(len(stack) - 1, -1, -1):
            definition, opened = stack[position]
            if definition is self and opened in self._left_over:
                _stack.set(stack[:position] + stack[position + 1 :])
                self._left_over.remove(opened)
                return opened
        # A generator that is closed in another context than it was started in has only this list.
        return self._left_over.pop() if self._left_over else Opened(cast("Held", IGNORING), None)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, coroutine function, generator function or asynchronous generator function.

        Of any other callable the run or step ends when what the call returns has ended, be it a coroutine, a task or a
        generator.
        """
        if isinstance(function, (classmethod, staticmethod)):
            return cast("Function", type(function)(self(function.__func__)))
        if not self._name:
            return self._named(_name_of(function))(function)
        return cast("Function", recorded(function, self._opened, self))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_left_over": []}

    def _named(self, name: str) -> Self:
        made = copy.copy(self)
        made._name, made._left_over = name, []
        return made


class Job(Definition[JobRun]):
    """A job; opening it starts a run, or joins the run that is open if that is one of the same job."""

    def __init__(self, name: str, run_id: str | None, **given: Any) -> None:
        super().__init__(name)
        self._given = given
        self._run_id = text_of(run_id) if is_given(run_id) else None

    def _open(self) -> Opened[JobRun]:
        # Also where it joins a run: the attempt is none of what begins within.
        name, several = clean_name(self._name, "job").whole, offered_attempt()
        here = current.here()
        if here is not None and here.run.is_open and self._is(here.job.name, here.job.run_id, name):
            return Opened(job_run.handle(here.job), None)
        joined, own = (self._joined(name), run_environment.own()) if here is None else (None, None)
        if joined is not None:
            scope = joined
        elif own is not None and self._is(own.job, own.run_id, name):
            scope = run_mark.resume(own, resumed(own))
        else:
            run = Run(self._name, run_id=self._run_id, of_several=several, **self._given)
            scope = run_mark.begin(run, outer=current.outer())
        return Opened(job_run.handle(scope.job), scope)

    def _joined(self, name: str) -> Scope | None:
        """Begin this process's part in a run of the same job that another process has opened; None if there is none."""
        if not current.may_be_within():
            return None
        from batchtel.runs import member

        found = member.open_run()
        return member.join(found) if found is not None and self._is(found.run.job, found.run.run_id, name) else None

    def _unrecorded(self) -> Opened[JobRun]:
        return Opened(job_run.handle(_no_run()), None)

    def _is(self, name: str, run_id: str, own: str) -> bool:
        """Whether the run `run_id` of the job `name` is one of this job, whose name as it is recorded is `own`."""
        return own == name and self._run_id in (None, run_id)


class Step(Definition[StepRun]):
    """A step; opening it starts an execution within the current run."""

    def _unrecorded(self) -> Opened[StepRun]:
        return Opened(step_run.handle(StepRecord(self._name, _no_run())), None)

    def _open(self) -> Opened[StepRun]:
        around = _scope()
        if around is None:
            warn_once(f"step:{self._name}", "step %.60r runs outside of any job(), so it is not recorded", self._name)
            return self._unrecorded()
        step = StepRecord(self._name, around.job, offered_attempt())
        scope = Scope(step, around.run)
        scope.begin(outer=around)
        return Opened(step_run.handle(step), scope)


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
    scope = _scope()
    return job_run.handle(_no_run() if scope is None else scope.job)


def current_step() -> StepRun:
    """Return the step that this code belongs to; outside of one, a step that records nothing."""
    return _current_step() or cast("StepRun", IGNORING)


@harmless(None)
def _current_step() -> StepRun:
    scope = _scope()
    if scope is not None and isinstance(scope.recorded, StepRecord):
        return step_run.handle(scope.recorded)
    return step_run.handle(StepRecord("unknown", _no_run() if scope is None else scope.job))


def _scope() -> Scope | None:
    """Return the innermost open run or step, or the run around; else, in a task of Airflow without hooks, the task."""
    scope = current.scope()
    if scope is not None or current.open_scopes():
        return scope
    if run_environment.airflow_task() is None:
        return current.around(afresh=True)
    from batchtel.runs import airflow_context

    return airflow_context.task()


def _is_bare(name: object) -> bool:
    """Whether `name` is what a decorator without parentheses is given."""
    return not isinstance(name, str) and (callable(name) or hasattr(type(name), "__get__"))


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _no_run() -> Run:
    return Run("unknown")


_stack: Final[ContextVar[tuple[tuple[Definition[Any], Opened[Any]], ...]]] = ContextVar("batchtel_stack", default=())
