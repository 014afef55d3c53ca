"""Spans on their way from the tracer provider to the outbox of the process."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode

from batchtel import process
from batchtel.guard import harmless
from batchtel.outcome import Outcome


class QueueProcessor(SpanProcessor):
    """Queues ended spans for the telemetry of the process that ends them.

    A global TracerProvider cannot be replaced, so a forked child keeps its parent's, but not its queue.
    """

    @harmless(None)
    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span."""
        if span.context is not None and span.context.trace_flags.sampled:
            telemetry = process.telemetry()
            if telemetry is not None:
                telemetry.put_span(span)


class PresetIds(RandomIdGenerator):
    """Random ids, but for one span: a command runs under the ids of its span before telemetry is loaded."""

    def __init__(self) -> None:
        self.preset: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Return the preset trace id, else a random one."""
        return self.preset[0] if self.preset is not None else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the preset span id once, else a random one."""
        if self.preset is None:
            return super().generate_span_id()
        preset, self.preset = self.preset, None
        return preset[1]


def set_status(span: Span, outcome: Outcome, failure: Mapping[str, str]) -> None:
    """Tell on `span` how it ended; `failure` are the attributes of the exception, if there was one."""
    if failure:
        # record_exception() would add exception.escaped, which is deprecated, and fail where str(exception) does.
        span.add_event("exception", failure)
    if outcome.status == "success":
        span.set_status(Status(StatusCode.OK))
    elif outcome.status in ("failure", "timeout", "lost"):
        explanation = failure.get("exception.message", outcome.reason)
        span.set_status(Status(StatusCode.ERROR, f"{outcome.error_type or outcome.status}: {explanation}"))
