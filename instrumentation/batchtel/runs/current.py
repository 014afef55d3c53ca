"""The current run or step of the running code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from batchtel.base import run_environment
from batchtel.base.process_exit import is_worker
from batchtel.export import wait_budget
from batchtel.telemetry import open_runs

if TYPE_CHECKING:
    from batchtel.runs.scope import Scope

_scope: ContextVar[Scope | None] = ContextVar("batchtel_scope", default=None)
_scopes: list[Scope] = []
_apart: list[Scope] = []
# Without a lock: a signal handler may begin or end a run, or wait for a thread that does, while the main thread is in
# here. Each operation on the list is atomic by itself.


def here() -> Scope | None:
    """Return the innermost open run or step of this context, or None."""
    return _followed(_open(_scope.get()))


def scope() -> Scope | None:
    """Return the innermost open run or step, or None.

    A thread that did not inherit the context of the run (before Python 3.14 none does) belongs to the process's run if
    there is exactly one. A job that starts there is a run of its own all the same: ask `here`. A process that has
    opened none belongs to the run around it, that of the process whose worker or child program it is.
    """
    found = here()
    if found is None:
        jobs = [scope.job for scope in open_scopes() if scope is scope.job]
        if not jobs:
            return around(afresh=False)
        found = _followed(jobs[0].thread_owner) if len(jobs) == 1 else None
    return found


def around(*, afresh: bool) -> Scope | None:
    """Return this process's part in a run that another process has opened; None if there is none."""
    if not (run_environment.was_marked() or is_worker()):
        return None
    from batchtel.runs import member

    return member.run(afresh=afresh)


def enter(entered: Scope) -> None:
    """Make `entered` the current scope of this context."""
    _scope.set(entered)


def leave(left: Scope) -> None:
    """Make the nearest open scope around `left` the current one, if `left` is the current one of this context.

    A generator can be closed in another context than it was started in, where a reset by token would raise.
    """
    if _scope.get() is left:
        _scope.set(_open(left.outer))


def open_scopes() -> list[Scope]:
    """Return the open runs and steps of the process, in the order of their start."""
    return list(_scopes)


def recorded_scopes() -> list[Scope]:
    """Return the open ones, and the part of the process in a run around it."""
    return [*_apart, *_scopes]


def stands_apart(scope: Scope) -> None:
    """Count `scope` among those that are recorded without being open in this process."""
    _apart.append(scope)


def opened(scope: Scope) -> None:
    """Count `scope` among the open ones of the process."""
    _scopes.append(scope)


def closed(scope: Scope) -> None:
    """Remove `scope` from the open ones of the process."""
    for scopes in (_scopes, _apart):
        with suppress(ValueError):
            scopes.remove(scope)


def _followed(found: Scope | None) -> Scope | None:
    """Return `found`; where a forked worker has inherited it, and it has ended since, the run that is open now."""
    if found is None or found._process == os.getpid() or not found.job.data.is_over:
        return found
    return around(afresh=True)


def _open(scope: Scope | None) -> Scope | None:
    while scope is not None and (scope.closed or scope.is_apart):
        scope = scope.outer
    return scope


def _place_of_tally() -> str:
    """Return the place of the tally of the run around this process; empty if there is none."""
    if not (run_environment.was_marked() or is_worker()):
        return ""
    from batchtel.runs import member

    found = member.open_run()
    return found.run.tally if found is not None else ""


os.register_at_fork(after_in_child=_apart.clear)
open_runs.provide(sys.modules[__name__])
wait_budget.find_around(_place_of_tally)
