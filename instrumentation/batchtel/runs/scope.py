"""The common base of runs and steps: a span, a place in the context, a start and an end."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchtel.base import native
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.base.process_exit import is_child_process
from batchtel.base.start import Start
from batchtel.base.timestamps import iso
from batchtel.base.values import AttributeValue, exception_attributes
from batchtel.runs import current
from batchtel.runs.description import Description
from batchtel.runs.retry import Attempt
from batchtel.runs.trace_around import parent_context
from batchtel.telemetry.ending_signals import ENDINGS
from batchtel.telemetry.process import telemetry
from batchtel.telemetry.providers import Telemetry

if TYPE_CHECKING:
    from batchtel.runs.job_run import JobRun


class Scope(Description, ABC):
    """One run of a job or one execution of a step, open from `begin` to `end`.

    `identity` is what every log record of it carries; `labels` is what its metrics carry.
    """

    is_apart = False
    """Whether it is looked up each time instead of being the current one of a context."""

    def __init__(
        self,
        name: str,
        labels: Mapping[str, str],
        identity: Mapping[str, AttributeValue],
        retry: Attempt | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.retry = retry
        self.labels = dict(labels)
        self.identity = dict(identity)
        self.closed = False
        self.outer: Scope | None = None
        self._telemetry: Telemetry | None = None
        self._span: Any = None
        self._context: Any = None
        self._previous_context: Any = None
        self._process = os.getpid()
        self._beat_lock = native.Lock()
        self._last_beat = 0.0
        self._started = time.perf_counter()
        self._started_at = time.time()

    @property
    @abstractmethod
    def job(self) -> JobRun:
        """The run that this belongs to."""

    @property
    def span_context(self) -> Any:
        """The OpenTelemetry SpanContext of its span; None if nothing is recorded."""
        return self._span.get_span_context() if self._span is not None else None

    @property
    def context(self) -> Any:
        """The OpenTelemetry context with its span; None if nothing is recorded."""
        return self._context

    @property
    def trace_id(self) -> str:
        """Id of the trace, 32 hexadecimal digits; empty if nothing is recorded."""
        return format(self.span_context.trace_id, "032x") if self._span is not None else ""

    @property
    def traceparent(self) -> str:
        """The span as a W3C traceparent (https://www.w3.org/TR/trace-context/#traceparent-header)."""
        span = self.span_context
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"

    @harmless(None)
    def begin(self, start: Start | None = None) -> None:
        """Open it: span, context, counters; with `start`, as of then."""
        self.outer = self._around()
        current.enter(self)
        process = telemetry()
        if process is None:
            return
        from opentelemetry import context, trace

        parent = self._parent_context(process)
        self._span = self._start_span(process, parent, start)
        self._previous_context = context.get_current()
        self._context = trace.set_span_in_context(self._span, parent)
        self._telemetry = process
        ENDINGS.install()
        # Before the span becomes current: an exemplar of the value 0 would replace a useful one.
        process.zero(self._zeros(), (self.level, *self.labels.values()))
        context.attach(self._context)
        ago = (time.time_ns() - start.time) / 1e9 if start is not None else 0.0
        self._started_at = time.time() - ago
        self._announce(process, self._started_at)
        self._started = self._last_beat = time.perf_counter() - ago
        current.opened(self)

    def _around(self) -> Scope | None:
        return current.scope()

    def _parent_context(self, process: Telemetry) -> Any:
        """Return the current context; in a thread that inherited none, that of the scope around."""
        if self.outer is not None and self.outer._context is not None:
            from opentelemetry import context

            return self.outer._context_within(context.get_current())
        return parent_context()

    def _context_within(self, here: Any) -> Any:
        from opentelemetry import trace

        return here if trace.get_current_span(here).get_span_context().is_valid else self._context

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        if start is not None:
            process.preset_ids(start.trace_id, start.span_id)
        from opentelemetry.trace import Link

        before = self.retry.before if self.retry is not None else None
        return process.tracer.start_span(
            f"batch_{self.level}.{self.name}",
            parent,
            attributes=self.identity,
            links=[Link(before)] if before is not None else None,
            start_time=start and start.time,
        )

    def _announce(self, process: Telemetry, at: float) -> None:
        """Report the start, which was `at`, a Unix time."""
        if self.retry is not None:
            self.retry.first_started = self.retry.first_started or at
            self.retry.before = self._span.get_span_context()
        self.add("runs.started" if self.retry is None or self.retry.number == 1 else "retries", 1)
        self._entered("running", at)

    @harmless(None)
    def end(self, exception: BaseException | None) -> None:
        """Close it with the outcome of `exception`, success if that is None."""
        outcome = Outcome.of(exception)
        if self.retry is not None and self.retry.goes_on(exception):
            outcome = outcome._replace(goes_on=True)
        self.close(outcome)

    @harmless(None)
    def close(self, outcome: Outcome) -> None:
        """Close it; later calls and calls in a forked child do nothing."""
        ENDINGS.halt()
        if self.closed:
            return
        self.closed = True
        try:
            if self._telemetry is not None and self._process == os.getpid():
                self._finish(self._telemetry, self.ending(outcome), time.perf_counter() - self._started)
        finally:
            self.leave()
            current.closed(self)
            if not any(scope._process == self._process for scope in current.open_scopes()):
                self._run_ended()
                # A worker of a pool is ended by SIGTERM while it waits for work, with counts that are not sent yet.
                if not is_child_process():
                    ENDINGS.remove()

    @harmless(None)
    def _run_ended(self) -> None:
        if self._telemetry is None or self._process != os.getpid():
            return
        if self.level == "job":
            self._telemetry.outboxes.run_ended()
        elif is_child_process():
            # A step of the parent's run: billiard's workers leave by os._exit, with a second's notice at most.
            self._telemetry.send_soon()

    @harmless(None)
    def beat(self) -> None:
        """Add the seconds since the last beat to `alive.time`: over all live runs its rate is their number."""
        if self._process != os.getpid() or self._telemetry is None:
            return
        # Not longer: a SIGTERM may have interrupted whoever holds it, and waits for the caller. The next beat adds it.
        if not self._beat_lock.acquire(timeout=0.1):
            return
        try:
            now = time.perf_counter()
            since, self._last_beat = now - self._last_beat, now
        finally:
            self._beat_lock.release()
        self.add("alive.time", since)

    @property
    def recorder(self) -> Telemetry | None:
        """The telemetry to record with: in a forked child its own, not its parent's; None if nothing is recorded."""
        return telemetry() if self._telemetry is not None else None

    def add(self, counter: str, amount: float) -> None:
        """Add to the counter `batch.<level>.<counter>`."""
        process = self.recorder
        if process is not None:
            process.meter.add(f"batch.{self.level}.{counter}", amount, self.labels)

    def _entered(self, state: str, at: float) -> None:
        assert self._telemetry is not None
        self._telemetry.meter.reach(f"batch.{self.level}.state.timestamp", at, {**self.labels, "state": state})

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        from batchtel.telemetry.spans import set_status

        self._measure(process, outcome, duration)
        # Here, and not only on the way out: a job's own tracer provider exports our spans by itself.
        attributes = process.redaction.attributes({**self._result(), **outcome.attributes()})
        times = {"batch.started_at": iso(self._started_at), "batch.duration": duration}
        failure = process.redaction.attributes(exception_attributes(outcome.exception))
        self._span.set_attributes(attributes)
        set_status(self._span, outcome, failure)
        finished = "batch.run.finished" if self.level == "job" else "batch.step.finished"
        process.event(
            finished if not outcome.goes_on else "batch.attempt.failed",
            ", ".join(filter(None, (f"{self._title()} ended: {outcome.status}", outcome.error_type, outcome.reason))),
            {**self.identity, **times, **attributes, **failure},
            severity=outcome.severity,
            context=self._context,
        )
        self._span.end()

    def _measure(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        self.beat()
        process.meter.record(f"batch.{self.level}.duration", duration, self._duration_labels(outcome))
        if outcome.goes_on:
            self._entered("retrying", time.time())
            return
        process.meter.add(f"batch.{self.level}.completions", 1, {**self.labels, **outcome.labels()})
        self._entered(outcome.status, time.time())
        if outcome.status in ("failure", "timeout") and self.retry is not None and self.retry.used_up:
            self._entered("dead_letter", time.time())

    @harmless(None)
    def resume(self) -> None:
        """Make it the current one of this context, which may be another than that of its start."""
        current.enter(self)
        if self._context is None:
            return
        from opentelemetry import context, trace

        self._previous_context = context.get_current()
        self._context = trace.set_span_in_context(self._span, self._previous_context)
        context.attach(self._context)

    @harmless(None)
    def leave(self) -> None:
        """Let the code around go on outside of it, also while it stays open."""
        current.leave(self)
        if self._context is None:
            return
        from opentelemetry import context

        # attach() of the context before it, not detach(token): a generator may be closed in another context, where a
        # token is refused with an error in the job's log.
        if context.get_current() is self._context:
            previous, outer = self._previous_context, self.outer
            while outer is not None and outer.closed and previous is outer._context:
                previous, outer = outer._previous_context, outer.outer
            context.attach(previous)

    @abstractmethod
    def _title(self) -> str:
        """Name it in a sentence."""

    @abstractmethod
    def _zeros(self) -> Mapping[str, tuple[Mapping[str, str], ...]]:
        """Return the counters that exist from the start, each with the attribute sets to add 0 to."""

    @abstractmethod
    def _result(self) -> dict[str, Any]:
        """Return the attributes of what it did."""

    @abstractmethod
    def _duration_labels(self, outcome: Outcome) -> Mapping[str, str]:
        """Return the attributes of the duration histogram."""

    def _completion_zeros(self) -> tuple[Mapping[str, str], ...]:
        failure = {"status": "failure", "error_type": "unknown"}
        return {**self.labels, "status": "success"}, {**self.labels, **failure}
