"""The run of a worker or a child program, which another process has opened.

Workers that are forked while a run is open inherit it. Others find it: by the environment, which a forkserver or a
reused worker of loky has from an earlier time, and by what the processes above them announce now
(`batchtel.base.shared_counts`), which holds for workers of any kind that were started at any time.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from batchtel.base import lock, pristine, run_environment
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import ancestors, at_end, handed_on
from batchtel.base.shared_counts import Tally, announced_by
from batchtel.runs.joined_run import joined
from batchtel.runs.reporting import PART, Reporting
from batchtel.runs.scope import Scope
from batchtel.telemetry.process import is_off, telemetry
from batchtel.telemetry.providers import extracted

_PAUSE: Final = 4.0
"""How many times as long as a search in vain has lasted none is begun again for a call of the job."""

_LOG_PAUSE: Final = 20.0
"""The same for a log record, of which there may be very many."""

_OFF: Final = 1.0
"""Seconds without a search where nothing is recorded."""


class Found(NamedTuple):
    """A run that another process has open, and the carrier of its trace context."""

    run: run_environment.OpenRun
    trace: Mapping[str, str]

    @property
    def is_over(self) -> bool:
        """Whether it has ended, as far as that can be seen."""
        return not (self.run.tally and Tally(self.run.tally).is_there) and not self.run.is_open


class _FoundMark:
    """The mark of a run that was found, for the programs that are started here, unless they find it anyhow."""

    is_in_environment = False

    def __init__(self, found: Found) -> None:
        self._marked: run_environment.EnvironmentPatch | None = None
        if not run_environment.marks(found.run.run_id):
            self._marked = run_environment.EnvironmentPatch(run_environment.variables(found.run, found.trace))

    def variables(self) -> dict[str, str]:
        """Return nothing: it is in the environment."""
        return {}

    def share(self) -> None:
        """Do nothing: the process that has opened the run shares its counts."""

    def put(self) -> bool:
        """Do nothing: the run was not opened here."""
        return False

    def close(self) -> None:
        """Put the environment back."""
        if self._marked is not None:
            self._marked.restore()


def join(found: Found) -> Scope:
    """Begin this process's part in a run that was found around it, by a `job()` of the same name."""
    scope = _scope(found, PART)
    scope.begin(parent=functools.partial(_parent, found))
    if scope.recorder.opened_with is not None:
        scope.job.mark = _FoundMark(found)
    return scope


def _scope(found: Found, reporting: Reporting, *, is_apart: bool = False) -> Scope:
    opened = found.run
    run = joined(opened.job, opened.type, opened.run_id, opened.attempt, opened_by=opened, reporting=reporting)
    scope = Scope(run, is_apart=is_apart)
    scope.keeps_own_trace = True
    return scope


def _parent(found: Found) -> Any:
    from opentelemetry import context

    here = context.get_current()
    around = extracted(found.trace, here)
    return here if _trace_of(here) == _trace_of(around) else around


def _trace_of(context: Any) -> int:
    from opentelemetry import trace

    return int(trace.get_current_span(context).get_span_context().trace_id)


@harmless(None)
def open_run() -> Found | None:
    """Return the open run that this process belongs to; None if there is none.

    That is the one which the nearest process above has opened. Of several of the same process it is the one that has
    started this one, as the environment names it.
    """
    inherited = run_environment.inherited()
    candidates = [found for config in handed_on() if (found := _found(config.get(run_environment.STARTED_IN)))]
    if inherited is not None:
        candidates.append(Found(inherited, run_environment.inherited_trace()))
    for process in ancestors():
        for found in candidates:
            if found.run.opener.pid == process:
                return found
        for announced in announced_by(process):
            if found_here := _found(json.loads(announced)):
                return found_here
    return candidates[-1] if candidates else None


def _found(mark: Any) -> Found | None:
    """Return the run that `mark`, the variables of a program within it, names; None if it has ended or is no mark."""
    run = run_environment.open_run(mark) if isinstance(mark, dict) else None
    return Found(run, run_environment.trace_carrier(mark)) if run is not None and run.is_open else None


class _Part(NamedTuple):
    """The part of the process of that id in a run, as a scope."""

    found: Found
    scope: Scope
    process: int


_part: _Part | None = None
_not_before = 0.0


@harmless(None)
def part(*, afresh: bool) -> Scope | None:
    """Return the part of this process in the run around it; None if there is none, or Airflow's hooks find it.

    It is open as long as the run is, and current in every thread. `afresh` is for calls of the job; for a log record a
    search in vain is repeated less often.
    """
    global _not_before
    own = _part if _part is not None and _part.process == os.getpid() else None
    if own is not None and not (own.scope.closed or own.found.is_over):
        return own.scope
    began, used = pristine.monotonic(), pristine.thread_time()
    if began < _not_before or run_environment.airflow_task() is not None or "batchtel.airflow.plugin" in sys.modules:
        return None
    if is_off():
        _not_before = began + _OFF
        return None
    found = open_run()
    pause = (pristine.thread_time() - used) * (_PAUSE if afresh else _LOG_PAUSE)
    _not_before = pristine.monotonic() + pause if found is None else 0.0
    _close(os.getpid())
    return None if found is None or telemetry() is None else _begin(found)


_UNNAMED: Final = PART._replace(end="part_if_any", shares_counts=True, flush="soon")
"""What a process reports that names no run: counts are in the tally; at its end it flushes anyhow."""

_registered_in = 0
"""The process that closes its part at its end."""


def _begin(found: Found) -> Scope:
    global _part, _registered_in
    here = os.getpid()
    scope = _scope(found, _UNNAMED, is_apart=True)
    with lock.shared():
        # Another thread may have been faster.
        if _part is not None and _part.process == here:
            return _part.scope
        _part, is_first, _registered_in = _Part(found, scope, here), _registered_in != here, here
    scope.begin_apart(listed=True, parent=functools.partial(_parent, found))
    if (process := scope.recorder.opened_with) is not None:
        scope.job.mark = _FoundMark(found)
        process.begins(scope.job)
    if is_first:
        at_end(_close, here)
    return scope


@harmless(None)
def _close(process: int) -> None:
    global _part
    if _part is not None and process == os.getpid() == _part.process:
        closing, _part = _part, None
        closing.scope.close(Outcome("success"))
