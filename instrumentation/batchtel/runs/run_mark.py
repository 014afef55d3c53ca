"""The mark of one run for the programs that are started in it: in the environment, or for each of them apart.

The environment has room for one run. While several are open in a process it holds the mark of the one that was first,
and programs that another one starts are given theirs as they start.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from batchtel.base import run_environment
from batchtel.base.guard import harmless
from batchtel.base.opener import Opener
from batchtel.base.process_exit import handed_on
from batchtel.runs import current, programs

if TYPE_CHECKING:
    from batchtel.runs.job_run import JobRun


STARTED_IN: Final = "batchtel"
"""Where workers that are not forked find the mark of the run that has started them, as text by variable."""


class RunMark:
    """The mark of `run`, from `open` to `close`."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self._opener: Opener | None = None
        self._marked: run_environment.EnvironmentPatch | None = None
        self._process = 0

    @property
    def is_in_environment(self) -> bool:
        """Whether it is the environment of this process that holds it."""
        return self._marked is not None

    @harmless(None)
    def open(self) -> None:
        """Mark the run open for the programs that it starts, and for the one that this process may become."""
        run, self._process = self._run, os.getpid()
        parent = getattr(run._span, "parent", None)
        self._opener = Opener.here(
            run.name,
            run.attempt,
            run.traceparent,
            opened=int(run._started_at * 1e9),
            cpu_seconds=run._usage_before.cpu_seconds,
            parent=f"{parent.span_id:016x}" if parent is not None else "",
        )
        if current.open_scopes() == [run]:
            self._put()
        else:
            programs.give_each_its_own()
        programs.survive_exec()
        for config in handed_on():
            config[STARTED_IN] = _MarkAtStart()

    def variables(self) -> dict[str, str]:
        """Return what a program that the run starts is to find in its environment; empty if it has no mark."""
        run = self._run
        if self._opener is None or run.closed:
            return {}
        if self._process == os.getpid():
            # Only now: each tally is a file descriptor, and there may be thousands of runs.
            run.data.share()
        kind, place = run.labels["job_type"], run.data.place
        mark = run_environment.OpenRun(run.name, run.run_id, run.attempt, kind, self._opener, place)
        return run_environment.variables(mark, {"traceparent": run.traceparent})

    @harmless(None)
    def close(self) -> None:
        """Remove it from the environment again, for the next one of the runs that are open."""
        if self._marked is None or self._process != os.getpid():
            return
        self._marked.restore()
        self._marked = None
        for scope in current.open_scopes():
            if scope is scope.job and scope.job.mark._opener is not None and scope.job.mark._process == self._process:
                scope.job.mark._put()
                break

    def _put(self) -> None:
        variables = self.variables()
        self._run.data.announce(json.dumps(variables))
        self._marked = run_environment.EnvironmentPatch(variables)


class _MarkAtStart:
    """Pickled, as a worker is started: the mark of the run that starts it; a forkserver has an older environment."""

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        return dict, (_current_mark(),)


@harmless(dict[str, str]())
def _current_mark() -> dict[str, str]:
    scope = current.scope()
    return scope.job.mark.variables() if scope is not None else {}


@harmless(None)
def _share() -> None:
    """Let the child that is about to be forked add what it counts to the run that it inherits."""
    scope = current.scope()
    if scope is not None and scope.job.mark._opener is not None and scope.job.mark._process == os.getpid():
        scope.job.data.share()


os.register_at_fork(before=_share)
