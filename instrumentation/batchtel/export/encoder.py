"""Spans and log records of the SDK as requests of OTLP, without their secrets; what comes again is encoded once.

The SDK's encoder makes two objects for each attribute, and hashes the resource as JSON for each span. Most attributes
of a run, its name and its id, are the same in each of its spans and events: here they are redacted and encoded once,
and a request is put together from the encoded parts, which protobuf allows in any order
(https://protobuf.dev/programming-guides/encoding/#order). Numbers of fields are only those of messages in messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from batchtel.export.otlp_values import any_value, key_value
from batchtel.redact.patterns import Redaction

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link, SpanContext

_KINDS: Final = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
# Without a type: a field may be given None, which leaves it out, and an enumeration by its number.
_SPAN: Final[Any] = trace_pb2.Span
_LOG_RECORD: Final[Any] = logs_pb2.LogRecord
_HAS_IS_REMOTE: Final = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE: Final = trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK

_DOUBLE: Final = struct.Struct("<d")
_SAMPLE: Final = 123456.789
"""A number that is plain beside no name of a secret."""

_SHORT: Final = 128
"""Characters of values whose encoded form is kept."""

_SOURCES: Final = 64
"""Resources and scopes whose encoded form is kept."""


class Encoder:
    """Encodes spans and log records without the secrets that `redaction` finds."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        # By type, too: True and 1 are equal.
        self._cached = lru_cache(maxsize=2048, typed=True)(self._encoded)
        self._double = lru_cache(maxsize=256)(self._before_double)
        self._resources: dict[int, tuple[Any, bytes]] = {}
        self._scopes: dict[int, tuple[Any, bytes]] = {}

    def spans(self, batch: Iterable[ReadableSpan]) -> bytes:
        """Return an ExportTraceServiceRequest."""
        return self._request((span, self._span(span)) for span in batch)

    def log_records(self, batch: Iterable[ReadableLogRecord]) -> bytes:
        """Return an ExportLogsServiceRequest.

        Raises:
            TypeError: The body of one is none that OTLP has.
        """
        return self._request((record, self._log_record(record)) for record in batch)

    def _request(self, encoded: Iterable[tuple[Any, bytes]]) -> bytes:
        """Return a request of spans or log records, which both have the same fields; one entry for each resource."""
        found: dict[bytes, dict[bytes, list[bytes]]] = {}
        for item, data in encoded:
            of_resource = found.setdefault(self._resource(item.resource), {})
            of_resource.setdefault(self._scope(item.instrumentation_scope), []).append(_field(2, data))
        return b"".join(
            _field(1, resource + b"".join(_field(2, scope + b"".join(items)) for scope, items in scopes.items()))
            for resource, scopes in found.items()
        )

    def _resource(self, resource: Any) -> bytes:
        """Return the fields of ResourceSpans, or of ResourceLogs, that describe the resource."""
        kept = self._resources.get(id(resource))
        if kept is None or kept[0] is not resource:
            message = Resource(attributes=self._key_values(resource.attributes))
            data = trace_pb2.ResourceSpans(resource=message, schema_url=resource.schema_url).SerializeToString()
            kept = _keep(self._resources, resource, data)
        return kept[1]

    def _scope(self, scope: Any) -> bytes:
        """Return the fields of ScopeSpans, or of ScopeLogs, that describe the instrumentation scope."""
        kept = self._scopes.get(id(scope))
        if kept is None or kept[0] is not scope:
            message = trace_pb2.ScopeSpans(scope=InstrumentationScope())
            if scope is not None:
                attributes = self._key_values(scope.attributes or {})
                named = InstrumentationScope(name=scope.name, version=scope.version, attributes=attributes)
                message = trace_pb2.ScopeSpans(scope=named, schema_url=scope.schema_url)
            kept = _keep(self._scopes, scope, message.SerializeToString())
        return kept[1]

    def _span(self, span: ReadableSpan) -> bytes:
        context: Any = span.get_span_context()
        message = _SPAN(
            trace_id=context.trace_id.to_bytes(16, "big"),
            span_id=context.span_id.to_bytes(8, "big"),
            parent_span_id=span.parent.span_id.to_bytes(8, "big") if span.parent else None,
            name=self._redaction.name(span.name),
            kind=_KINDS[span.kind.name],
            start_time_unix_nano=span.start_time,
            end_time_unix_nano=span.end_time,
            flags=_flags(span.parent),
            dropped_attributes_count=span.dropped_attributes,
            dropped_events_count=span.dropped_events,
            dropped_links_count=span.dropped_links,
        )
        if context.trace_state:
            message.trace_state = ",".join(f"{key}={value}" for key, value in context.trace_state.items())
        if events := span.events:
            message.events.extend(map(self._event, events))
        if links := span.links:
            message.links.extend(map(self._link, links))
        status = _status(span.status.status_code.value)
        if span.status.description:
            # The parts of a message that comes twice are one.
            message.status.message = self._redaction.text(span.status.description)
        return bytes(message.SerializeToString()) + status + self._attributes(span.attributes, 9)

    def _event(self, event: Event) -> trace_pb2.Span.Event:
        return trace_pb2.Span.Event(
            name=self._redaction.name(event.name),
            time_unix_nano=event.timestamp,
            attributes=self._key_values(event.attributes or {}),
            dropped_attributes_count=event.dropped_attributes,
        )

    def _link(self, link: Link) -> trace_pb2.Span.Link:
        return trace_pb2.Span.Link(
            trace_id=link.context.trace_id.to_bytes(16, "big"),
            span_id=link.context.span_id.to_bytes(8, "big"),
            attributes=self._key_values(link.attributes or {}),
            dropped_attributes_count=link.dropped_attributes,
            flags=_flags(link.context),
        )

    def _log_record(self, readable: ReadableLogRecord) -> bytes:
        record: Any = readable.log_record
        body = self._redaction.value("", record.body)
        message = _LOG_RECORD(
            time_unix_nano=record.timestamp,
            observed_time_unix_nano=record.observed_timestamp,
            span_id=record.span_id.to_bytes(8, "big") if record.span_id else None,
            trace_id=record.trace_id.to_bytes(16, "big") if record.trace_id else None,
            flags=int(record.trace_flags or 0),
            body=any_value(body),
            severity_text=record.severity_text,
            severity_number=getattr(record.severity_number, "value", None),
            event_name=record.event_name,
            dropped_attributes_count=readable.dropped_attributes,
        )
        return bytes(message.SerializeToString()) + self._attributes(record.attributes, 6)

    def _attributes(self, attributes: Mapping[Any, Any] | None, field: int) -> bytes:
        """Return attributes as the repeated field of that number; what OTLP has no value for is left out."""
        return b"".join([self._attribute(field, key, value) for key, value in (attributes or {}).items()])

    def _attribute(self, field: int, key: Any, value: Any) -> bytes:
        kind = type(value)
        if kind is float and (prefix := self._double(field, key)):
            return prefix + _DOUBLE.pack(value)
        if (kind is str and len(value) <= _SHORT) or kind is int or kind is bool:
            return self._cached(field, key, value)
        return self._encoded(field, key, value)

    def _before_double(self, field: int, key: Any) -> bytes:
        """Return all of a number's attribute but its 8 bytes, which come last; nothing where the key is a secret's."""
        data = self._encoded(field, key, _SAMPLE)
        return data.removesuffix(_DOUBLE.pack(_SAMPLE)) if data.endswith(_DOUBLE.pack(_SAMPLE)) else b""

    def _encoded(self, field: int, key: Any, value: Any) -> bytes:
        found = self._key_value(key, value)
        return _field(field, found.SerializeToString()) if found is not None else b""

    def _key_values(self, attributes: Mapping[Any, Any]) -> list[KeyValue]:
        found = (self._key_value(key, value) for key, value in attributes.items())
        return [pair for pair in found if pair is not None]

    def _key_value(self, key: Any, value: Any) -> KeyValue | None:
        try:
            return key_value(*self._redaction.pair(key, value))
        except (TypeError, ValueError):
            return None


@cache
def _status(code: int) -> bytes:
    """Return the status of a span without a description."""
    return bytes(trace_pb2.Span(status=trace_pb2.Status(code=code)).SerializeToString())  # type: ignore[arg-type]  # a number is one of its values


def _flags(context: SpanContext | None) -> int:
    return _HAS_IS_REMOTE | (_IS_REMOTE if context and context.is_remote else 0)


def _field(number: int, data: bytes) -> bytes:
    """Return `data`, an encoded message, as the field of that number, below 16: its key, its length, itself."""
    length, key = len(data), number << 3 | 2
    if length < 0x80:
        return bytes((key, length)) + data
    encoded = bytearray((key,))
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + data


def _keep(kept: dict[int, tuple[Any, bytes]], source: Any, data: bytes) -> tuple[Any, bytes]:
    """Keep the encoded form of `source`, which stays alive with it, so that its id is that of no other one."""
    if len(kept) >= _SOURCES:
        kept.clear()
    kept[id(source)] = found = (source, data)
    return found
