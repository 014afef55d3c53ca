"""Runs and steps of a process that is turned off: they accept everything, record nothing, and import next to nothing.

What a job's code may read from them is what it would be without OTEL_SDK_DISABLED=true: names, ids, attempts, the time
of the newest data. The ids are made where they are asked for.
"""

from __future__ import annotations

import functools
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, cast

from batchtel.base import switch
from batchtel.base.calls import public
from batchtel.base.guard import harmless
from batchtel.base.identity import UNKNOWN, clean_name, new_run_id
from batchtel.base.process_exit import is_worker
from batchtel.base.start_environment import AT_START, OPEN_RUN, of_next_run
from batchtel.base.values import is_given, text_of, whole_number
from batchtel.runs.attempt import Attempt, offered_attempt
from batchtel.runs.handle import Handle
from batchtel.runs.job_run import JobRun
from batchtel.runs.opening import Held, Opened
from batchtel.runs.step_run import StepRun

if TYPE_CHECKING:
    from datetime import datetime

    from batchtel.runs.run_data import Data


def is_all() -> bool:
    """Whether nothing is recorded in this process, and no run was found around it, whose id its runs would have."""
    return switch.is_off() and OPEN_RUN not in AT_START and not is_worker() and "batchtel.runs.scope" not in sys.modules


def _accept(handle: Handle, *args: Any, **kwargs: Any) -> None:
    """Do nothing, whatever is given."""


class _Unrecorded(Handle):
    """A handle of nothing that is recorded."""

    def __init__(self, name: str, what: str) -> None:
        self._name = clean_name(name, what).whole

    @property
    def name(self) -> str:
        """Name of the job or the step."""
        return self._name

    @property
    def trace_id(self) -> str:
        """Empty: there is no trace."""
        return ""

    set = inputs = outputs = skipped = timed_out = _accept


class _JobRun(_Unrecorded, JobRun):
    """The handle of a run."""

    def __init__(self, name: str, run_id: str | None, attempt: object, several: Attempt | None) -> None:
        super().__init__(name, "job")
        self._given = run_id, attempt, several
        self._environ = of_next_run()
        self._data: Data | None = None
        if several is not None:
            several.run_id = self.run_id

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._identity[0]

    @property
    def attempt(self) -> int:
        """Number of the attempt, 1 for the first."""
        return self._identity[1]

    @functools.cached_property
    def _identity(self) -> tuple[str, int]:
        return self._found_identity() or (new_run_id(), 1)

    @harmless(None)
    def _found_identity(self) -> tuple[str, int]:
        from batchtel.schema import settings

        own = settings.read(self._environ)
        given, attempt, several = self._given
        run_id = (several and several.run_id) or given or text_of(own.run_id or new_run_id())
        number = (whole_number(attempt, "attempt") if is_given(attempt) else None) or own.attempt
        return run_id, number + (several.number - 1 if several is not None else 0)

    @property
    def newest_data(self) -> float | None:
        """Unix time of the newest data that the run has seen, by `watermark`; None if it has reported none."""
        return self._data.newest if self._data is not None else None

    @public(None, call="job.watermark(datetime.now(UTC))")
    def watermark(self, time: datetime | float | str) -> None:
        """Keep how new the data is that the run has seen, for `newest_data`."""
        from batchtel.runs.run_data import Data

        self._data = self._data or Data()
        self._data.reach(time)

    records = failed_record = quality = progress = _accept


class _StepRun(_Unrecorded, StepRun):
    """The handle of a step."""

    def __init__(self, name: str, job: JobRun) -> None:
        super().__init__(name, "step")
        self._job = job

    @property
    def job(self) -> JobRun:
        """The run that the step belongs to."""
        return self._job

    records = failed_record = _accept


class _Scope(Generic[Held]):
    """The time in which a run or a step is open; `run` is the scope of the run that a step belongs to."""

    def __init__(self, handle: Held, run: _Scope[JobRun] | None, outer: _Scope[Any] | None) -> None:
        self.handle = handle
        self.run = run or cast("_Scope[JobRun]", self)
        self.closed = False
        self._outer = outer

    def resume(self) -> None:
        """Make it the current one of this context."""
        _current.set(self)

    def leave(self) -> None:
        """Make the nearest open one around the current one; it may stay open."""
        if _current.get() is self:
            _current.set(_nearest_open(self._outer))

    def end(self, exception: BaseException | None) -> None:
        """Close it."""
        self.closed = True
        self.leave()

    def cancel(self, reason: str) -> None:
        """Close it."""
        self.end(None)


_current: ContextVar[_Scope[Any] | None] = ContextVar("batchtel_unrecorded", default=None)


def _nearest_open(scope: _Scope[Any] | None) -> _Scope[Any] | None:
    while scope is not None and scope.closed:
        scope = scope._outer
    return scope


def _innermost() -> _Scope[Any] | None:
    return _nearest_open(_current.get())


def open_job(name: str, run_id: str | None, attempt: object) -> Opened[JobRun]:
    """Open a job as one that is recorded opens: of the same job, within a run, it joins that run."""
    switch.keep()
    several, here = offered_attempt(), _innermost()
    run = _JobRun(name, run_id, attempt, several)
    if here is not None and not here.run.closed:
        around = here.run.handle
        if around.name == run.name and (run_id is None or run_id == around.run_id):
            return Opened(around, None)
    return _opened(_Scope(cast("JobRun", run), None, here))


def open_step(name: str) -> Opened[StepRun]:
    """Open a step within the current run."""
    switch.keep()
    here = _innermost()
    if here is None:
        return Opened(step_run(name), None)
    offered_attempt()
    return _opened(_Scope(cast("StepRun", _StepRun(name, here.run.handle)), here.run, here))


def _opened(scope: _Scope[Held]) -> Opened[Held]:
    scope.resume()
    return Opened(scope.handle, scope)


def job_run(name: str = UNKNOWN) -> JobRun:
    """Return a run that records nothing and is not open."""
    return _JobRun(name, None, None, None)


def step_run(name: str = UNKNOWN) -> StepRun:
    """Return a step, outside of any run, that records nothing and is not open."""
    return _StepRun(name, job_run())


def current_job() -> JobRun:
    """Return the run that this code belongs to; outside of one, a run of its own."""
    here = _innermost()
    return job_run() if here is None else here.run.handle


def current_step() -> StepRun:
    """Return the step that this code belongs to; outside of one, a step of its own."""
    here = _innermost()
    if here is not None and isinstance(here.handle, StepRun):
        return here.handle
    return _StepRun(UNKNOWN, current_job())
