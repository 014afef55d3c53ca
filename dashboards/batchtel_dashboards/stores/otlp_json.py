"""Spans in OTLP JSON, as stores of traces return them: ids in hexadecimal digits or, as JSON of protobuf, in base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from batchtel_dashboards.stores.answers import Span, Value


def spans(resources: Iterable[dict[str, Any]]) -> list[Span]:
    """Return the spans of a list of ResourceSpans by start.

    Raises:
        KeyError, TypeError, ValueError: It is not a list of ResourceSpans.
    """
    found = [
        _span(content)
        for resource in resources
        for scope in resource.get("scopeSpans", [])
        for content in scope["spans"]
    ]
    return sorted(found, key=lambda span: span.start)


def _span(content: dict[str, Any]) -> Span:
    return Span(
        trace_id=_hexadecimal(content["traceId"], 32),
        span_id=_hexadecimal(content["spanId"], 16),
        parent_id=_hexadecimal(content.get("parentSpanId", ""), 16),
        name=content["name"],
        start=int(content["startTimeUnixNano"]),
        end=int(content["endTimeUnixNano"]),
        attributes={row["key"]: _value(row.get("value", {})) for row in content.get("attributes", [])},
    )


def _hexadecimal(id_: str, digits: int) -> str:
    return id_ if len(id_) in (0, digits) else base64.b64decode(id_).hex()


def _value(content: dict[str, Any]) -> Value:
    plain = _plain(content)
    if isinstance(plain, (str, bool, int, float)):
        return plain
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain(content: dict[str, Any]) -> Any:
    kind: str
    value: Any
    ((kind, value),) = content.items() or [("stringValue", "")]
    if kind == "intValue":
        return int(value)  # JSON of protobuf writes 64-bit integers as text
    if kind == "arrayValue":
        return [_plain(item) for item in value.get("values", [])]
    if kind == "kvlistValue":
        return {row["key"]: _plain(row.get("value", {})) for row in value.get("values", [])}
    return value
