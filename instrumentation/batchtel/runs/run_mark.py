"""The mark of one run for the programs that are started in it: in the environment, or for each of them apart.

The environment has room for one run. While several are open in a process it holds the mark of the one that was first,
and programs that another one starts are given theirs as they start.
"""

from __future__ import annotations

import functools
import os

from batchtel.base import run_environment
from batchtel.base.guard import harmless
from batchtel.base.opener import Opener
from batchtel.base.process_exit import handed_on
from batchtel.base.start import Start
from batchtel.runs import current, programs
from batchtel.runs.joined_run import parent_of, start_of
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope


def begin(run: Run, start: Start | None = None, *, outer: Scope | None = None) -> Scope:
    """Begin a run, and mark it for the programs that it starts; the arguments are those of `Scope.begin`."""
    scope = Scope(run)
    scope.begin(start, outer=outer)
    return _marked(scope)


def resume(open_run: run_environment.OpenRun, run: Run) -> Scope:
    """Go on with `run`, which this process has opened as `open_run` before it became another program by exec."""
    scope = Scope(run)
    scope.begin(start_of(open_run), parent=functools.partial(parent_of, open_run))
    return _marked(scope)


def _marked(scope: Scope) -> Scope:
    if scope.recorder.opened_with is not None:
        mark = RunMark(scope)
        scope.job.mark = mark
        mark.open()
    return scope


class RunMark:
    """The mark of the run `scope`, from `open` to `close`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._run = scope.job
        self._opener: Opener | None = None
        self._marked: run_environment.EnvironmentPatch | None = None
        self._process = 0

    @property
    def is_in_environment(self) -> bool:
        """Whether it is the environment of this process that holds it."""
        return self._marked is not None

    @property
    def _is_here(self) -> bool:
        return self._opener is not None and self._process == os.getpid()

    @harmless(None)
    def open(self) -> None:
        """Mark the run open for the programs that it starts, and for the one that this process may become."""
        run, self._process = self._run, os.getpid()
        parent = getattr(run.recorder.span, "parent", None)
        self._opener = Opener.here(
            run.name,
            run.attempt,
            run.recorder.traceparent,
            opened=int(run.recorder.started_at * 1e9),
            cpu_seconds=run.usage_before.cpu_seconds,
            parent=f"{parent.span_id:016x}" if parent is not None else "",
        )
        if current.open_scopes() == [self._scope]:
            self.put()
        else:
            programs.give_each_its_own()
        programs.survive_exec()
        for config in handed_on():
            config[run_environment.STARTED_IN] = _MarkAtStart()

    def variables(self) -> dict[str, str]:
        """Return what a program that the run starts is to find in its environment; empty if it has no mark."""
        run = self._run
        if self._opener is None or self._scope.closed:
            return {}
        if self._is_here:
            # Only now: each tally is a file descriptor, and there may be thousands of runs.
            run.data.share()
        kind, place = run.labels["job_type"], run.data.place
        mark = run_environment.OpenRun(run.name, run.run_id, run.attempt, kind, self._opener, place)
        return run_environment.variables(mark, {"traceparent": run.recorder.traceparent})

    def share(self) -> None:
        """Let a child that is about to be forked add what it counts to the run that it inherits."""
        if self._is_here:
            self._run.data.share()

    @harmless(None)
    def close(self) -> None:
        """Remove it from the environment again, for the next one of the runs that are open."""
        if self._marked is None or not self._is_here:
            return
        self._marked.restore()
        self._marked = None
        runs = (scope.job for scope in current.open_scopes() if scope.is_run)
        any(run.mark is not None and run.mark.put() for run in runs)

    def put(self) -> bool:
        """Put it into the environment, if this process has opened the run; return whether it did."""
        if not self._is_here:
            return False
        import json

        variables = self.variables()
        self._run.data.announce(json.dumps(variables))
        self._marked = run_environment.EnvironmentPatch(variables)
        return True


class _MarkAtStart:
    """Pickled, as a worker is started: the mark of the run that starts it; a forkserver has an older environment."""

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        return dict, (_current_mark(),)


@harmless(dict[str, str]())
def _current_mark() -> dict[str, str]:
    scope = current.scope()
    return scope.job.mark.variables() if scope is not None and scope.job.mark is not None else {}


@harmless(None)
def _share() -> None:
    scope = current.scope()
    if scope is not None and scope.job.mark is not None:
        scope.job.mark.share()


os.register_at_fork(before=_share)
