"""`job` and `step`: one object each, to be used as a context manager and as a decorator, sync and async."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

from batchtel import current, handover
from batchtel.attempt import take
from batchtel.guard import warn_once
from batchtel.joined import JoinedRun
from batchtel.run import JobRun
from batchtel.scope import Scope
from batchtel.step_run import StepRun

Entered = TypeVar("Entered", bound=Scope)
Function = TypeVar("Function", bound=Callable[..., Any])


class Opened(Generic[Entered]):
    """One opening of a definition; `joined` means that the scope was open before and stays open after."""

    def __init__(self, scope: Entered, *, joined: bool) -> None:
        self.scope = scope
        self._joined = joined

    def __enter__(self) -> Entered:
        return self.scope

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._joined:
            self.scope.end(exception)


class Definition(ABC, Generic[Entered]):
    """Something that can be opened any number of times, also at the same time; each opening has its own state."""

    def __init__(self) -> None:
        self._left_over: list[Opened[Entered]] = []

    @abstractmethod
    def _open(self) -> Opened[Entered]: ...

    def __enter__(self) -> Entered:
        opened = self._open()
        self._left_over.append(opened)
        _stack.set((*_stack.get(), (self, opened)))
        return opened.scope

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take().__exit__(kind, exception, trace)

    async def __aenter__(self) -> Entered:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, exception, trace)

    def _take(self) -> Opened[Entered]:
        """Find the opening that this `with` block made: the last one of this context."""
        stack = _stack.get()
        for position in range(len(stack) - 1, -1, -1):
            definition, opened = stack[position]
            if definition is self and opened in self._left_over:
                _stack.set(stack[:position] + stack[position + 1 :])
                self._left_over.remove(opened)
                return opened
        # A generator that is closed in another context than it was started in has only this list.
        return self._left_over.pop()

    def __call__(self, function: Function) -> Function:
        """Decorate a function, coroutine function, generator function or asynchronous generator function."""
        if inspect.isasyncgenfunction(function):
            return cast("Function", self._async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast("Function", self._generator(function))
        if inspect.iscoroutinefunction(function):
            return cast("Function", self._coroutine(function))

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._open():
                return function(*args, **kwargs)

        return cast("Function", call)

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._open():
                return await function(*args, **kwargs)

        return call

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._open():
                return (yield from function(*args, **kwargs))

        return call

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._open():
                generator = function(*args, **kwargs)
                # What `yield from` does for generators, and has no counterpart here.
                try:
                    item = await anext(generator)
                    while True:
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as thrown:
                            item = await generator.athrow(thrown)
                        else:
                            item = await generator.asend(sent)
                except StopAsyncIteration:
                    return
                finally:
                    await generator.aclose()

        return call


class Job(Definition[JobRun]):
    """A job; opening it starts a run, or joins the run that is open if that is one of the same job."""

    def __init__(self, name: str, run_id: str | None, **given: Any) -> None:
        super().__init__()
        self._name, self._run_id, self._given = name, run_id, given

    def _open(self) -> Opened[JobRun]:
        run = JobRun(self._name, run_id=self._run_id, retry=take(), **self._given)
        outer = current.here()
        if outer is not None and self._is(outer.job.name, outer.job.run_id, run):
            return Opened(outer.job, joined=True)
        elsewhere = handover.INHERITED
        if outer is None and elsewhere is not None and self._is(elsewhere.job, elsewhere.run_id, run):
            run = JoinedRun(self._name, elsewhere.type, run_id=elsewhere.run_id, attempt=elsewhere.attempt)
        run.begin()
        return Opened(run, joined=False)

    def _is(self, name: str, run_id: str, run: JobRun) -> bool:
        return run.name == name and self._run_id in (None, run_id)


class Step(Definition[StepRun]):
    """A step; opening it starts an execution within the current run."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _open(self) -> Opened[StepRun]:
        scope = _scope()
        if scope is None:
            warn_once(f"step:{self._name}", "step %.60r runs outside of any job(), so it is not recorded", self._name)
            return Opened(StepRun(self._name, _no_run()), joined=True)
        step = StepRun(self._name, scope.job, take())
        step.begin()
        return Opened(step, joined=False)


def job(
    name: str,
    type: str = "",  # noqa: A002  # the word users say
    *,
    run_id: str | None = None,
    attempt: int | None = None,
    scheduled_at: datetime | float | str | None = None,
    queued_at: datetime | float | str | None = None,
) -> Job:
    """Define a job, for `with`, `async with` and as a decorator; entering it starts a run.

    Args:
        name: Name of the job: bounded, never with an id or a date in it.
        type: Kind of the job, one of the environment's list, for example `etl`; BATCHTEL_JOB_TYPE or `batch` if not
            given.
        run_id: Id of the run; BATCHTEL_RUN_ID or a new UUIDv7 if not given.
        attempt: Number of the attempt, from 1; BATCHTEL_ATTEMPT if not given.
        scheduled_at: When the run was due, as a datetime, Unix time in seconds, or ISO 8601; BATCHTEL_SCHEDULED_AT if
            not given.
        queued_at: When it began to wait for its start, in the same forms; BATCHTEL_QUEUED_AT if not given.
    """
    return Job(name, run_id, type=type, attempt=attempt, scheduled_at=scheduled_at, queued_at=queued_at)


def step(name: str) -> Step:
    """Define a step, for `with`, `async with` and as a decorator; entering it starts the step in the current run."""
    return Step(name)


def current_job() -> JobRun:
    """Return the run that this code belongs to; outside of one, a run that records nothing."""
    scope = _scope()
    return _no_run() if scope is None else scope.job


def current_step() -> StepRun:
    """Return the step that this code belongs to; outside of one, a step that records nothing."""
    scope = _scope()
    if isinstance(scope, StepRun):
        return scope
    return StepRun("unknown", _no_run() if scope is None else scope.job)


def _scope() -> Scope | None:
    """Return the innermost open run or step; else, in a task of Airflow that no hook has told of, the task."""
    scope = current.scope()
    if scope is not None or current.open_scopes() or handover.airflow_task() is None:
        return scope
    from batchtel.airflow import surroundings

    return surroundings.task()


def _no_run() -> JobRun:
    return JobRun("unknown")


_stack: Final[ContextVar[tuple[tuple[Definition[Any], Opened[Any]], ...]]] = ContextVar("batchtel_stack", default=())
