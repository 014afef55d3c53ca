"""Spans on their way from the tracer provider to the outbox of the process."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from batchtel import telemetry
from batchtel.guard import harmless


class QueueProcessor(SpanProcessor):
    """Queues ended spans for the telemetry of the process that ends them.

    A global TracerProvider cannot be replaced, so a forked child keeps its parent's, but not its queue.
    """

    @harmless(None)
    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span."""
        if span.context is not None and span.context.trace_flags.sampled:
            process = telemetry.telemetry()
            if process is not None:
                process.put_span(span)
