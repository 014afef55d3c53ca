"""The run of a worker or a child program, which another process has opened.

Workers that are forked while a run is open inherit it. Others find it: by the environment, which a forkserver or a
reused worker of loky has from an earlier time, and by what the processes above them announce now
(`batchtel.base.shared_counts`), which holds for workers of any kind that were started at any time.
"""

from __future__ import annotations

import contextvars
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from batchtel.base import lock, run_environment
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import ancestors, at_end, handed_on
from batchtel.base.shared_counts import Tally, announced_by
from batchtel.runs import current
from batchtel.runs.joined_run import JoinedRun
from batchtel.runs.run_mark import STARTED_IN
from batchtel.telemetry.process import is_off, telemetry
from batchtel.telemetry.providers import Telemetry, extracted

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


class MemberRun(JoinedRun):
    """This process's part in a run that was found around it."""

    def __init__(self, found: Found) -> None:
        run = found.run
        super().__init__(run.job, run.type, run_id=run.run_id, attempt=run.attempt)
        self.found = found
        self._marked: run_environment.EnvironmentPatch | None = None

    def _expect(self, started: float) -> None:
        self._outer = self.found.run
        self.data.join(self._outer.tally)

    def _around(self) -> None:
        return None

    def _parent_context(self, process: Telemetry) -> Any:
        from opentelemetry import context

        here = context.get_current()
        around = extracted(self.found.trace, here)
        return here if _trace_of(here) == _trace_of(around) else around

    def _context_within(self, here: Any) -> Any:
        # A forked worker has inherited the context of a run that may have ended since.
        return here if _trace_of(here) == _trace_of(self._context) else self._context

    def _hand_over(self) -> None:
        """Mark the run for the programs that are started here, unless this process was started with the mark."""
        if not run_environment.marks(self.run_id):
            self._marked = run_environment.EnvironmentPatch(run_environment.variables(self.found.run, self.found.trace))

    def close(self, outcome: Outcome) -> None:
        """End this process's part."""
        super().close(outcome)
        if self._marked is not None:
            self._marked.restore()


class SilentMember(MemberRun):
    """The part of a process that names no run; open as long as the run is, and current in every thread."""

    is_apart = True

    def begin_detached(self) -> None:
        """Begin without becoming the current run of this context, or one that the process has opened."""
        contextvars.copy_context().run(self.begin)
        current.closed(self)
        current.stands_apart(self)
        if self._telemetry is not None:
            self._telemetry.begins(self)

    def _run_ended(self) -> None:
        # At its end the process flushes anyhow; before, another run may follow.
        if self._telemetry is not None:
            self._telemetry.send_soon()

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        self._ask_progress()
        if self.described() or self.data.attributes().keys() - _COUNTED:
            super()._finish(process, outcome, duration)


_COUNTED: Final = {
    "batch.records.processed",
    "batch.records.failed",
    "batch.records.outcome",
    "batch.total_records_processed",
    "batch.data.timestamp",
}
"""What the tally has of a run's data; of the rest only a record of this process's own can report."""


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
    candidates = [found for config in handed_on() if (found := _found(config.get(STARTED_IN)))]
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


_member: SilentMember | None = None
_process = 0
_not_before = 0.0


@harmless(None)
def run(*, afresh: bool) -> SilentMember | None:
    """Return the part of this process in the run around it; None if there is none, or Airflow's hooks find it.

    `afresh` is for calls of the job; for a log record a search in vain is repeated less often.
    """
    global _not_before
    own = _member if _process == os.getpid() else None
    if own is not None and not (own.closed or own.found.is_over):
        return own
    began, used = time.monotonic(), time.thread_time()
    if began < _not_before or run_environment.airflow_task() is not None or "batchtel.airflow.plugin" in sys.modules:
        return None
    if is_off():
        _not_before = began + _OFF
        return None
    found = open_run()
    pause = (time.thread_time() - used) * (_PAUSE if afresh else _LOG_PAUSE)
    _not_before = time.monotonic() + pause if found is None else 0.0
    _close(os.getpid())
    return None if found is None or telemetry() is None else _join(found)


def _join(found: Found) -> SilentMember:
    global _member, _process
    joined, here = SilentMember(found), os.getpid()
    with lock.shared():
        # Another thread may have been faster.
        if _member is not None and _process == here:
            return _member
        _member, is_first, _process = joined, _process != here, here
    joined.begin_detached()
    if is_first:
        at_end(_close, here)
    return joined


@harmless(None)
def _close(process: int) -> None:
    global _member
    if process == os.getpid() == _process and _member is not None:
        closing, _member = _member, None
        closing.close(Outcome("success"))
