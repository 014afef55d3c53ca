"""Log records and spans as they leave the collector, in the form that cases write.

A log record is `{resource, attributes, body, time}` and perhaps `event_name`, `trace`; a span is
`{resource, attributes, name}`. `time` is `arrival` when the collector set it, else `now-60`. resource lacks the case's
service.namespace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.file_sink import lines


def logs(file: Path, namespace: str, now: int, after: int = 0) -> list[dict[str, Any]]:
    """Return the log records of `namespace` in a file exporter's JSON lines, in order; `after` lines are skipped."""
    return [
        _record(resource, record, now)
        for resource, record in _items(file, "resourceLogs", "scopeLogs", "logRecords", after)
        if resource.pop("service.namespace", None) == namespace
    ]


def spans(file: Path, namespace: str, after: int = 0) -> list[dict[str, Any]]:
    """Return the spans of `namespace` in a file exporter's JSON lines, in order; `after` lines are skipped."""
    return [
        {"resource": resource, "attributes": _plain(span.get("attributes", [])), "name": span["name"]}
        for resource, span in _items(file, "resourceSpans", "scopeSpans", "spans", after)
        if resource.pop("service.namespace", None) == namespace
    ]


def events(file: Path, namespace: str, ids: str) -> tuple[list[dict[str, Any]], int]:
    """Return name and attributes of the events of the span with the id `ids`, and how many it has dropped."""
    for resource, span in _items(file, "resourceSpans", "scopeSpans", "spans"):
        if resource.get("service.namespace") == namespace and span["spanId"] == ids:
            found = [
                {"name": one["name"], "attributes": _plain(one.get("attributes", []))} for one in span.get("events", [])
            ]
            return found, int(span.get("droppedEventsCount", 0))
    return [], 0


def _items(
    file: Path, outer: str, inner: str, name: str, after: int = 0
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for line in lines(file)[after:]:
        for block in json.loads(line)[outer]:
            for scope in block[inner]:
                for item in scope[name]:
                    yield _plain(block["resource"].get("attributes", [])), item


def _record(resource: dict[str, Any], record: dict[str, Any], now: int) -> dict[str, Any]:
    seconds = int(record.get("timeUnixNano", 0)) // 10**9
    written = {
        "resource": resource,
        "attributes": _plain(record.get("attributes", [])),
        "body": _value(record.get("body", {})),
        "time": "arrival" if seconds >= now else f"now-{now - seconds}",
    }
    if record.get("eventName"):
        written["event_name"] = record["eventName"]
    if record.get("traceId"):
        written["trace"] = record["traceId"]
    return written


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in attributes}


def _value(value: dict[str, Any]) -> Any:
    kind: str
    content: Any
    kind, content = next(iter(value.items()), ("", ""))
    if kind == "arrayValue":
        return [_value(item) for item in content.get("values", [])]
    return int(content) if kind == "intValue" else content
