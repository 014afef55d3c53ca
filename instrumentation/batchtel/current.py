"""Which run or step the code that runs now belongs to."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchtel.run import JobRun
    from batchtel.scope import Scope

_scope: ContextVar[Scope | None] = ContextVar("batchtel_scope", default=None)
_jobs: list[JobRun] = []
_lock = threading.Lock()


def here() -> Scope | None:
    """Return the innermost open run or step of this context, or None."""
    return _open(_scope.get())


def scope() -> Scope | None:
    """Return the innermost open run or step, or None.

    A thread that did not inherit the context of the run (before Python 3.14 none does) belongs to the process's run if
    there is exactly one. A job that starts there is a run of its own all the same: ask `here`.
    """
    return here() or (_jobs[0] if len(_jobs) == 1 else None)


def enter(entered: Scope) -> None:
    """Make `entered` the current scope of this context."""
    _scope.set(entered)


def leave(left: Scope) -> None:
    """Make the nearest open scope around `left` the current one, if `left` is the current one of this context.

    A generator can be closed in another context than it was started in, where a reset by token would raise.
    """
    if _scope.get() is left:
        _scope.set(_open(left.outer))


def any_open() -> bool:
    """Tell whether any run of the process is open."""
    return bool(_jobs)


def opened(job: JobRun) -> None:
    """Count `job` among the open runs of the process."""
    with _lock:
        _jobs.append(job)


def closed(job: JobRun) -> None:
    """Take `job` off the open runs of the process."""
    with _lock:
        if job in _jobs:
            _jobs.remove(job)


def _open(scope: Scope | None) -> Scope | None:
    while scope is not None and scope.closed:
        scope = scope.outer
    return scope
