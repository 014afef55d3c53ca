"""The recorder of one run or step: its span, its labels, and what is recorded under both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from batchtel.base import pristine
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.base.timestamps import iso
from batchtel.base.values import AttributeValue, exception_attributes
from batchtel.runs.attempt import Attempt
from batchtel.runs.reporting import Reporting
from batchtel.schema.signals import METRICS
from batchtel.telemetry.process import telemetry

if TYPE_CHECKING:
    from batchtel.telemetry.metrics import Recorded
    from batchtel.telemetry.providers import Telemetry

_LABELS: Final = {"job": ("job_name", "job_type"), "step": ("job_name", "job_type", "step_name")}

COUNTERS: Final = {
    level: tuple(
        row.name
        for row in METRICS
        if row.kind == "counter" and row.name.startswith(f"batch.{level}.") and row.attributes == labels
    )
    for level, labels in _LABELS.items()
}
"""Level -> the counters that carry its labels and no more."""


class Recorder:
    """The span, the labels and the identity of one run or step.

    `level` is `job` or `step`: the metric family, and the prefix of the span name. `labels` is what its metrics carry,
    `identity` what every log record of it carries. `of_several` is its attempt, where it is one of several.
    Nothing is recorded before `open`.
    """

    def __init__(
        self,
        level: str,
        name: str,
        labels: Mapping[str, str],
        identity: Mapping[str, AttributeValue],
        of_several: Attempt | None = None,
    ) -> None:
        self.level = level
        self.name = name
        self.labels = dict(labels)
        self.identity = dict(identity)
        self.of_several = of_several
        self.has_ended = False
        """Whether its end was reported here."""
        self.span: Any = None
        self.context: Any = None
        self.opened_with: Telemetry | None = None
        self.process = os.getpid()
        self.started_at = pristine.time()
        self._began = pristine.perf_counter()

    def open(self, opened_with: Telemetry, parent: Any, start: Start | None, reporting: Reporting) -> None:
        """Open the span below `parent`, an OpenTelemetry context; with `start`, as of then."""
        self.span = self._span(opened_with, parent, start, reporting)
        self.context = opened_with.trace_api.set_span_in_context(self.span, parent)
        self.opened_with = opened_with
        ago = (pristine.time_ns() - start.time) / 1e9 if start is not None else 0.0
        self.started_at = pristine.time() - ago
        self._began = pristine.perf_counter() - ago

    def _span(self, opened_with: Telemetry, parent: Any, start: Start | None, reporting: Reporting) -> Any:
        trace = opened_with.trace_api
        if reporting.span == "around":
            return trace.get_current_span(parent)
        if reporting.span == "elsewhere" and start is not None:
            ids = trace.SpanContext(start.trace_id, start.span_id, False, trace.TraceFlags(start.flags))
            return trace.NonRecordingSpan(ids)
        if start is not None:
            opened_with.preset_ids(start.trace_id, start.span_id)
        before = self.of_several.before if self.of_several is not None else None
        return opened_with.tracer.start_span(
            f"batch_{self.level}.{self.name}",
            parent,
            attributes=self.identity,
            links=[trace.Link(before)] if before is not None else None,
            # Not left to the SDK, which may have got a clock that a test of the job has replaced.
            start_time=start.time if start is not None else pristine.time_ns(),
        )

    @property
    def telemetry(self) -> Telemetry | None:
        """The telemetry to record with: in a forked child its own, not its parent's; None if nothing is recorded."""
        return telemetry() if self.opened_with is not None else None

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process has opened it: a forked child has a copy."""
        return self.opened_with is not None and self.process == os.getpid()

    @property
    def span_context(self) -> Any:
        """The OpenTelemetry SpanContext of its span; None if nothing is recorded."""
        return self.span.get_span_context() if self.span is not None else None

    @property
    def trace_id(self) -> str:
        """Id of the trace, 32 hexadecimal digits; empty if nothing is recorded."""
        return format(self.span_context.trace_id, "032x") if self.span is not None else ""

    @property
    def traceparent(self) -> str:
        """The span as a W3C traceparent (https://www.w3.org/TR/trace-context/#traceparent-header)."""
        span = self.span_context
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"

    @property
    def lasted(self) -> float:
        """Seconds since its start, by a clock that no one sets."""
        return pristine.perf_counter() - self._began

    def add(self, counter: str, amount: float) -> None:
        """Add to the counter `batch.<level>.<counter>`."""
        process = self.telemetry
        if process is not None:
            process.meter.add(f"batch.{self.level}.{counter}", amount, self.labels)

    def enter(self, state: str, at: float) -> None:
        """Record that it has entered `state` at the Unix time `at`."""
        process = self.telemetry
        if process is not None:
            process.meter.record_all(self._entered(state, at))

    def _entered(self, state: str, at: float) -> Recorded:
        return f"batch.{self.level}.state.timestamp", at, {**self.labels, "state": state}, None

    def event(self, name: str, body: str, attributes: Mapping[str, Any], severity: str) -> None:
        """Emit an event with its identity; `severity` is INFO, WARN or ERROR."""
        process = self.telemetry
        if process is not None:
            process.event(name, body, {**self.identity, **attributes}, severity=severity, context=self.context)

    def zero(self, also: Mapping[str, tuple[Mapping[str, str], ...]], *, is_here: bool) -> None:
        """Add 0 to its counters and to those of `also`, once for the same labels.

        Where its code runs elsewhere, only start and end are counted here.
        """
        key = (self.level, *self.labels.values())
        if self.opened_with is not None and not self.opened_with.has_zeros(key):
            failure = {"status": "failure", "error_type": "unknown"}
            completions = {**self.labels, "status": "success"}, {**self.labels, **failure}
            names = COUNTERS[self.level] if is_here else (f"batch.{self.level}.runs.started",)
            zeros = {**dict.fromkeys(names, (self.labels,)), f"batch.{self.level}.completions": completions, **also}
            self.opened_with.zero(zeros, key)

    def start(self) -> None:
        """Record the start: the counter, and the state `running`."""
        several = self.of_several
        if several is not None:
            several.first_started = several.first_started or self.started_at
            several.before = self.span.get_span_context()
        process = self.telemetry
        if process is not None:
            counter = "runs.started" if several is None or several.number == 1 else "retries"
            started = (f"batch.{self.level}.{counter}", 1, self.labels, None)
            process.meter.record_all(started, self._entered("running", self.started_at))

    def complete(self, outcome: Outcome, duration: float, labels: Mapping[str, str]) -> None:
        """Record the end as metrics; `labels` are those of the histogram of durations."""
        process = self.telemetry
        if process is None:
            return
        prefix, now = f"batch.{self.level}", pristine.time()
        of_duration, of_completion = process.meter.exemplars(duration, 1)
        recorded: list[Recorded] = [(f"{prefix}.duration", duration, labels, of_duration)]
        if outcome.goes_on:
            recorded.append(self._entered("retrying", now))
        else:
            completed = {**self.labels, **outcome.labels()}
            recorded += ((f"{prefix}.completions", 1, completed, of_completion), self._entered(outcome.status, now))
            if outcome.status in ("failure", "timeout") and self.of_several is not None and self.of_several.used_up:
                recorded.append(self._entered("dead_letter", now))
        process.meter.record_all(*recorded)

    def finish(self, title: str, outcome: Outcome, duration: float, result: Mapping[str, Any]) -> None:
        """End the span and emit the event of the end; both have the attributes `result`."""
        process = self.telemetry
        if process is None:
            return
        # Here, and not only on the way out: a job's own tracer provider exports our spans by itself.
        attributes = process.redaction.attributes({**result, **outcome.attributes()})
        times = {"batch.started_at": iso(self.started_at), "batch.duration": duration}
        described = exception_attributes(outcome.exception)
        failure = process.redaction.attributes(described) if described else described
        self.span.set_attributes(attributes)
        process.set_status(self.span, outcome, failure)
        finished = "batch.run.finished" if self.level == "job" else "batch.step.finished"
        self.event(
            finished if not outcome.goes_on else "batch.attempt.failed",
            ", ".join(filter(None, (f"{title} ended: {outcome.status}", outcome.error_type, outcome.reason))),
            {**times, **attributes, **failure},
            outcome.severity,
        )
        self.span.end(pristine.time_ns())
        self.has_ended = True

    def report_part(self, title: str, result: Mapping[str, Any]) -> None:
        """Emit the event of what this process has recorded, of a run or step whose end another process reports."""
        process = self.telemetry
        if process is not None:
            reported = "batch.run.reported" if self.level == "job" else "batch.step.reported"
            body = f"{title} was reported on by one of its processes"
            self.event(reported, body, process.redaction.attributes(result), "INFO")
