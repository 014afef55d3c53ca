"""The time in which a run or a step is open: from `begin` to `close`, and in which context it is the current one."""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from batchtel.base import native, pristine
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import is_child_process
from batchtel.base.start import Start
from batchtel.runs import observers
from batchtel.runs.run import Run
from batchtel.runs.step import Step
from batchtel.runs.trace_around import parent_context
from batchtel.telemetry.ending_signals import ENDINGS
from batchtel.telemetry.process import telemetry

_current: ContextVar[Scope | None] = ContextVar("batchtel_scope", default=None)
_open: list[Scope] = []
_apart: list[Scope] = []
# Without a lock: a signal handler may begin or end a run, or wait for a thread that does, while the main thread is in
# here. Each operation on a list is atomic by itself.


class Scope:
    """The time in which `recorded`, a run or a step, is open in this process.

    `run` is the scope of the run that a step belongs to, of a run its own. `is_apart` is whether it is looked up each
    time instead of being the current one of a context. `outer` is the scope around. `in_threads` is what code in a
    thread without the context of a run belongs to, where that is not the run. `keeps_own_trace` is whether only a span
    of the same trace can be the parent of what begins within it.
    """

    def __init__(self, recorded: Run | Step, run: Scope | None = None, *, is_apart: bool = False) -> None:
        self.recorded = recorded
        self.recorder = recorded.recorder
        self.job = recorded.job
        self.run = run or self
        self.is_apart = is_apart
        self.closed = False
        self.outer: Scope | None = None
        self.in_threads: Scope | None = None
        self.keeps_own_trace = False
        self._context: Any = None
        self._previous_context: Any = None
        self._beat_lock = native.Lock()
        self._beaten = 0.0

    @property
    def is_run(self) -> bool:
        """Whether it is a run, and no step."""
        return self.run is self

    @property
    def identity(self) -> dict[str, Any]:
        """Attributes of every log record of it."""
        return self.recorder.identity

    @property
    def span_context(self) -> Any:
        """The OpenTelemetry SpanContext of its span; None if nothing is recorded."""
        return self.recorder.span_context

    @property
    def is_open(self) -> bool:
        """Whether a `job()` of the same name may still join it: a run ends in the process that has opened it."""
        opened_by = self.job.opened_by
        return not self.closed and (opened_by is None or opened_by.is_open)

    @harmless(None)
    def begin(
        self, start: Start | None = None, *, outer: Scope | None = None, parent: Callable[[], Any] | None = None
    ) -> None:
        """Open it: span, context, counters.

        Args:
            start: When it has started, and the ids of its span; now, with ids of its own, if not given.
            outer: The scope around.
            parent: Returns the OpenTelemetry context of the span's parent; that of the scope around if not given.
        """
        if isinstance(self.recorded, Run):
            self.recorded.expect(start.time / 1e9 if start is not None else pristine.time())
        self.outer = outer
        _current.set(self)
        process = telemetry()
        if process is None:
            return
        context = process.context_api
        around = parent() if parent is not None else self._parent_context(context)
        self.recorder.open(process, around, start, self.recorded.reporting)
        self._previous_context = context.get_current()
        self._context = self.recorder.context
        ENDINGS.install()
        if self.recorded.reporting.end == "whole":
            # Before the span becomes current: an exemplar of the value 0 would replace a useful one.
            self.recorded.zero()
        context.attach(self._context)
        if self.recorded.reporting.start:
            self.recorded.report_start()
        _open.append(self)
        try:
            observers.begun(self)
        except BaseException as error:
            self.close(Outcome.of(error))  # nothing else does: its block is not entered
            raise

    def begin_apart(self, *, listed: bool = False, parent: Callable[[], Any] | None = None) -> None:
        """Begin without becoming the current scope of this context, or one that the process has opened.

        `listed` is whether it is among the recorded ones of the process all the same.
        """
        contextvars.copy_context().run(functools.partial(self.begin, parent=parent))
        self.forget()
        if listed:
            _apart.append(self)

    def _parent_context(self, context: Any) -> Any:
        """Return the current context by the API `context`; in a thread that inherited none that of the scope around."""
        if self.outer is not None and self.outer._context is not None:
            return self.outer._within(context.get_current())
        return parent_context()

    def _within(self, here: Any) -> Any:
        if self.recorder.opened_with is None:
            return here
        span = self.recorder.opened_with.trace_api.get_current_span(here).get_span_context()
        if self.keeps_own_trace:
            # A forked worker has inherited the context of a run that may have ended since.
            return here if span.trace_id == self.span_context.trace_id else self._context
        return here if span.is_valid else self._context

    @harmless(None)
    def end(self, exception: BaseException | None) -> None:
        """Close it with the outcome of `exception`, success if that is None."""
        outcome, several = Outcome.of(exception), self.recorder.of_several
        if several is not None and several.goes_on(exception):
            outcome = outcome._replace(goes_on=True)
        self.close(outcome)

    def cancel(self, reason: str) -> None:
        """Close it as cancelled."""
        self.close(Outcome("cancelled", reason=reason))

    def close(self, outcome: Outcome, duration: float | None = None) -> None:
        """Close it; later calls and calls in a forked child do nothing.

        Args:
            outcome: How it ended.
            duration: Seconds from its start to its end; until now if not given.
        """
        if self.is_run:
            self._send_last_log_records()
        self._close(outcome, duration)
        if self.is_run:
            if self.job.mark is not None:
                self.job.mark.close()
            self.job.data.close()

    @harmless(None)
    def _send_last_log_records(self) -> None:
        process = self.recorder.telemetry
        if process is not None and not self.closed:
            process.send_last_log_records(self.job.log)

    @harmless(None)
    def _close(self, outcome: Outcome, duration: float | None) -> None:
        ENDINGS.halt()
        if self.closed:
            return
        self.closed = True
        try:
            if self.recorder.is_of_this_process and not sys.is_finalizing():
                lasted = self.recorder.lasted if duration is None else duration
                try:
                    observers.ending(self)
                except BaseException as error:
                    outcome = Outcome.of(error)
                    raise
                finally:
                    self._report_end(self.recorded.description.ending(outcome), lasted)
        finally:
            self.leave()
            self.forget()
            if not any(scope.recorder.process == self.recorder.process for scope in _open):
                self._flush()
                # A worker of a pool is ended by SIGTERM while it waits for work, with counts that are not sent yet.
                if not is_child_process():
                    ENDINGS.remove()

    def _report_end(self, outcome: Outcome, duration: float) -> None:
        recorded, end = self.recorded, self.recorded.reporting.end
        self.beat()
        if end == "whole":
            recorded.report_end(outcome, duration)
        elif end == "part" or (end == "part_if_any" and recorded.has_part()):
            recorded.report_part()

    @harmless(None)
    def _flush(self) -> None:
        process, flush = self.recorder.opened_with, self.recorded.reporting.flush
        if process is None or not self.recorder.is_of_this_process or flush == "none" or sys.is_finalizing():
            return
        if flush == "end" and self.is_run:
            process.outboxes.run_ended()
        elif flush == "soon" or is_child_process():
            # A step of the parent's run: billiard's workers leave by os._exit, with a second's notice at most.
            process.send_soon()

    @harmless(None)
    def beat(self) -> None:
        """Add the seconds since the last beat to `alive.time`, whose rate is the number of live runs; ask the run."""
        if self.recorded.reporting.heartbeat and self.recorder.is_of_this_process:
            self._add_alive()
        # Also in a forked child, whose code may have given its run a function that reports progress.
        self.recorded.beat()

    def _add_alive(self) -> None:
        # Not longer: a SIGTERM may have interrupted whoever holds it, and waits for the caller. The next beat adds it.
        if not self._beat_lock.acquire(timeout=0.1):
            return
        try:
            now = self.recorder.lasted
            since, self._beaten = now - self._beaten, now
        finally:
            self._beat_lock.release()
        self.recorder.add("alive.time", since)

    @harmless(None)
    def resume(self) -> None:
        """Make it the current one of this context, which may be another than that of its start."""
        _current.set(self)
        if self._context is None:
            return
        from opentelemetry import context, trace

        self._previous_context = context.get_current()
        self._context = trace.set_span_in_context(self.recorder.span, self._previous_context)
        context.attach(self._context)

    @harmless(None)
    def leave(self) -> None:
        """Make the nearest open scope around the current one, if this is the current one; it may stay open."""
        # By no token: a generator can be closed in another context than it was started in, where a token is refused,
        # with an error in the job's log.
        if _current.get() is self:
            _current.set(_nearest_open(self.outer))
        process = self.recorder.opened_with
        if self._context is None or process is None:
            return
        context = process.context_api
        if context.get_current() is self._context:
            previous, outer = self._previous_context, self.outer
            while outer is not None and outer.closed and previous is outer._context:
                previous, outer = outer._previous_context, outer.outer
            context.attach(previous)

    def forget(self) -> None:
        """Remove it from the open ones of the process; it may go on in another one."""
        for scopes in (_open, _apart):
            # It is in one of them at most, and a signal handler may have removed it.
            with suppress(ValueError):
                scopes.remove(self)

    def leave_open(self) -> None:
        """Let it go on in another process, which reports its end."""
        self.closed = True
        self.leave()
        self.forget()


def innermost() -> Scope | None:
    """Return the innermost open run or step of this context, or None."""
    return _nearest_open(_current.get())


def open_scopes() -> list[Scope]:
    """Return the open runs and steps of the process, in the order of their start."""
    return list(_open)


def recorded_scopes() -> list[Scope]:
    """Return the open ones, and the part of the process in a run around it."""
    return [*_apart, *_open]


def _nearest_open(scope: Scope | None) -> Scope | None:
    while scope is not None and (scope.closed or scope.is_apart):
        scope = scope.outer
    return scope


os.register_at_fork(after_in_child=_apart.clear)
