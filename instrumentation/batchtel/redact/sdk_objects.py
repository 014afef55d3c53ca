"""Spans, log records and their resource without secrets, as they leave the process.

Spans and records are called for in the thread that exports, so that the job itself does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from batchtel.redact.patterns import Redaction

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link


def resource(described: Resource, redaction: Redaction) -> Resource:
    """Return what describes the process: a detector can put its whole command line there."""
    from opentelemetry.sdk.resources import Resource

    return Resource(redaction.attributes(described.attributes), described.schema_url)


def spans(batch: Iterable[ReadableSpan], redaction: Redaction) -> list[ReadableSpan]:
    """Return the spans, those with a secret in them as copies without it."""
    return [_span(span, redaction) for span in batch]


def _span(span: ReadableSpan, redaction: Redaction) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status

    attributes = redaction.attributes(span.attributes or {})
    events = [_event(event, redaction) for event in span.events]
    description = redaction.text(span.status.description or "")
    name = redaction.name(span.name)
    links = [_link(link, redaction) for link in span.links]
    if (
        attributes == dict(span.attributes or {})
        and all(new is old for new, old in zip(events, span.events, strict=True))
        and all(new is old for new, old in zip(links, span.links, strict=True))
        and description == (span.status.description or "")
        and name == span.name
    ):
        return span
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=span.kind,
        status=Status(span.status.status_code, description or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _event(event: Event, redaction: Redaction) -> Event:
    from opentelemetry.sdk.trace import Event

    before = dict(event.attributes or {})
    attributes = redaction.attributes(before)
    name = redaction.name(event.name)
    return event if attributes == before and name == event.name else Event(name, attributes, event.timestamp)


def _link(link: Link, redaction: Redaction) -> Link:
    from opentelemetry.trace import Link

    before = dict(link.attributes or {})
    attributes = redaction.attributes(before)
    return link if attributes == before else Link(link.context, attributes)


def log_records(batch: Iterable[ReadableLogRecord], redaction: Redaction) -> list[ReadableLogRecord]:
    """Return the log records; their secrets are replaced in place, for no other code holds them."""
    records = list(batch)
    for readable in records:
        record: Any = readable.log_record
        record.body = redaction.value("", record.body)
        for key, value in dict(record.attributes or {}).items():
            _, clean = redaction.pair(key, value)
            if clean != value:
                record.attributes[key] = clean
    return records
