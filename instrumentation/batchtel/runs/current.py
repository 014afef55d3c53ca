"""The run or step that the running code belongs to."""

from __future__ import annotations

import os
import sys

from batchtel.base import run_environment
from batchtel.base.process_exit import is_worker
from batchtel.export import wait_budget
from batchtel.runs.scope import Scope, innermost, open_scopes, recorded_scopes
from batchtel.telemetry import open_runs

__all__ = ["around", "here", "may_be_within", "open_scopes", "outer", "recorded_scopes", "scope"]


def here() -> Scope | None:
    """Return the innermost open run or step of this context, or None."""
    return _followed(innermost())


def scope() -> Scope | None:
    """Return the innermost open run or step, or None.

    A thread that did not inherit the context of the run (before Python 3.14 none does) belongs to the process's run if
    there is exactly one. A job that starts there is a run of its own all the same: ask `here`. A process that has
    opened none belongs to the run around it, that of the process whose worker or child program it is.
    """
    found = here()
    if found is None:
        runs = list(dict.fromkeys(scope.run for scope in open_scopes() if scope.is_run))
        if not runs:
            return around(afresh=False)
        found = _followed(_of_threads(runs[0])) if len(runs) == 1 else None
    return found


def _of_threads(run: Scope) -> Scope:
    """Return what code in a thread without the context of `run` belongs to."""
    return run if run.in_threads is None or run.in_threads.closed else run.in_threads


def outer() -> Scope | None:
    """Return the scope around a run that begins here.

    Not the run of another thread: two at the same time would be parent and child by chance.
    """
    return here() or (around(afresh=True) if is_worker() else None)


def may_be_within() -> bool:
    """Whether another process may have opened a run around this process."""
    return run_environment.was_marked() or is_worker()


def around(*, afresh: bool) -> Scope | None:
    """Return this process's part in a run that another process has opened; None if there is none."""
    if not may_be_within():
        return None
    from batchtel.runs import member

    return member.part(afresh=afresh)


def _followed(found: Scope | None) -> Scope | None:
    """Return `found`; where a forked worker has inherited it, and it has ended since, the run that is open now."""
    if found is None or found.recorder.process == os.getpid() or not found.job.data.is_over:
        return found
    return around(afresh=True)


def _place_of_tally() -> str:
    """Return the place of the tally of the run around this process; empty if there is none."""
    if not may_be_within():
        return ""
    from batchtel.runs import member

    found = member.open_run()
    return found.run.tally if found is not None else ""


open_runs.provide(sys.modules[__name__])
wait_budget.find_around(_place_of_tally)
