"""Spans on their way from the tracer provider to the outbox of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, Tracer, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode

from batchtel.base import pristine
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.telemetry import lookup


class QueueProcessor(SpanProcessor):
    """Queues ended spans for the telemetry of the process that ends them.

    A global TracerProvider cannot be replaced, so a forked child keeps its parent's, but not its queue.
    """

    @harmless(None)
    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span."""
        if span.context is not None and span.context.trace_flags.sampled:
            telemetry = lookup.telemetry()
            if telemetry is not None:
                telemetry.put_span(span)


def is_seen(provider: object) -> bool:
    """Return whether a tracer provider hands its spans to a QueueProcessor."""
    processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
    return any(isinstance(processor, QueueProcessor) for processor in processors)


LEAST_ATTRIBUTES: Final = 128
"""Attributes that a span or an event of ours may have, whatever limit a variable sets: the SDK's own default."""

LEAST_LENGTH: Final = 512
"""Characters that a value of ours may have: a name or an id is shorter."""


def with_own_limits(provider: Any) -> TracerProvider:
    """Return a provider for batchtel's own spans, which go where those of `provider` go.

    Its limits are those of the variables, but none that would leave nothing of a run's identity.
    """
    limits = SpanLimits()
    for name in ("max_span_attributes", "max_event_attributes", "max_span_attribute_length"):
        least = LEAST_LENGTH if name.endswith("length") else LEAST_ATTRIBUTES
        found = getattr(limits, name, None)
        if found is not None:
            setattr(limits, name, max(found, least))
    return TracerProvider(
        sampler=provider.sampler,
        resource=provider.resource,
        shutdown_on_exit=False,
        active_span_processor=provider._active_span_processor,
        id_generator=RandomIds(),
        span_limits=limits,
    )


class RandomIds(IdGenerator):
    """Random ids of the operating system, not of `random`, as those of the SDK are.

    A job that seeds `random` would have the trace id of its last run again, and draw other numbers with telemetry.
    """

    def generate_trace_id(self) -> int:
        """Return a new trace id."""
        return int.from_bytes(pristine.urandom(16), "big") or 1  # 0 is no valid id

    def is_trace_id_random(self) -> bool:
        """Return that they are."""
        return True

    def generate_span_id(self) -> int:
        """Return a new span id."""
        return int.from_bytes(pristine.urandom(8), "big") or 1


class PresetIds(IdGenerator):
    """The ids of `others`, but for one span: a command runs under the ids of its span before telemetry is loaded."""

    def __init__(self, others: IdGenerator) -> None:
        self.preset: tuple[int, int] | None = None
        self._others = others

    @classmethod
    def of(cls, tracer: object) -> PresetIds | None:
        """Return those of `tracer`, which no other code uses; None if it is not one of the SDK's."""
        if not isinstance(tracer, Tracer):
            return None
        if not isinstance(tracer.id_generator, cls):
            found = tracer.id_generator
            # Others may be of the provider's own kind, with a meaning.
            tracer.id_generator = cls(RandomIds() if type(found) is RandomIdGenerator else found)
        return tracer.id_generator

    def generate_trace_id(self) -> int:
        """Return the preset trace id, else one of the others."""
        return self.preset[0] if self.preset is not None else self._others.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Return what the others return."""
        return self._others.is_trace_id_random()

    def generate_span_id(self) -> int:
        """Return the preset span id once, else one of the others."""
        if self.preset is None:
            return self._others.generate_span_id()
        preset, self.preset = self.preset, None
        return preset[1]


def set_status(span: Span, outcome: Outcome, failure: Mapping[str, str]) -> None:
    """Set the status of `span` to `outcome`; `failure` are the attributes of the exception, if there was one."""
    if failure:
        # record_exception() would add exception.escaped, which is deprecated, and fail where str(exception) does.
        span.add_event("exception", failure, pristine.time_ns())
    if outcome.status == "success":
        span.set_status(Status(StatusCode.OK))
    elif outcome.status in ("failure", "timeout", "lost"):
        explanation = failure.get("exception.message", outcome.reason)
        span.set_status(Status(StatusCode.ERROR, f"{outcome.error_type or outcome.status}: {explanation}"))
