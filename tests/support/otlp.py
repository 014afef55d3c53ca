"""OTLP as the cases write it, and sending it.

A case writes OTLP JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding) with three shorthands:
`attributes` may be a mapping; strings may contain `{i}` (number of the repetition), `{now}`, `{now+60}` and `{now-60}`
(Unix seconds) and, in fields that end in UnixNano, stand for nanoseconds; one of `metrics`, `logs` and `spans` with
`resource` and `scope` stands for a whole request.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"

INVALID_UTF8: Final = "INVALID-UTF8"
"""Stands for bytes that are no UTF-8; only protobuf can carry them, so a case has `encoding: protobuf`."""

_TIME: Final = re.compile(r"\{now([+-]\d+)?\}")
_CLOCK: Final = re.compile(r"\{clock([+-]\d+)\}")
_SIGNALS: Final = {
    "metrics": ("resourceMetrics", "scopeMetrics"),
    "logs": ("resourceLogs", "scopeLogs"),
    "spans": ("resourceSpans", "scopeSpans"),
}

_PATHS: Final = {"resourceMetrics": "/v1/metrics", "resourceLogs": "/v1/logs", "resourceSpans": "/v1/traces"}


def times(text: str, now: int, unit: int = 1) -> str:
    """Replace `{now}`, `{now+60}` and `{now-60}` by Unix times in `unit`s per second, `{clock-60}` by text."""
    text = _CLOCK.sub(lambda found: f"{datetime.fromtimestamp(now + int(found[1]), UTC):%Y-%m-%dT%H:%M:%SZ}", text)
    return _TIME.sub(lambda found: str((now + int(found[1] or 0)) * unit), text)


def clocks(node: Any, now: int) -> Any:
    """Return `node` with `times` applied to every string in it."""
    if isinstance(node, Mapping):
        return {name: clocks(value, now) for name, value in node.items()}
    if isinstance(node, list):
        return [clocks(item, now) for item in node]
    return times(node, now) if isinstance(node, str) else node


def expand(node: Any, now: int, repetition: int, namespace: str, key: str = "") -> Any:
    """Return a case's OTLP without shorthands; `{case}` in a string becomes `namespace`."""
    if isinstance(node, Mapping):
        if key == "attributes":
            node = [{"key": name, "value": _value(value)} for name, value in node.items()]
        else:
            return {name: expand(value, now, repetition, namespace, str(name)) for name, value in node.items()}
    if isinstance(node, list):
        return [expand(item, now, repetition, namespace) for item in node]
    if isinstance(node, str):
        node = node.replace("{i}", str(repetition)).replace("{case}", namespace)
        return times(node, now, 10**9 if key.endswith("UnixNano") else 1)
    return node


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return value if isinstance(value, dict) else {"stringValue": value}


def request(resource: Mapping[str, Any], scope: Mapping[str, Any], signal: str, items: list[Any]) -> dict[str, Any]:
    """Return one resource with one scope and `items`, which are metrics, logs or spans."""
    outer, inner = _SIGNALS[signal]
    name = "logRecords" if signal == "logs" else signal
    return {outer: [{"resource": {"attributes": resource}, inner: [{"scope": scope, name: items}]}]}


def path(body: Mapping[str, Any]) -> str:
    """Return the URL path for `body`."""
    return {"resourceMetrics": "/v1/metrics", "resourceLogs": "/v1/logs", "resourceSpans": "/v1/traces"}[
        next(iter(body))
    ]


def encoded(body: dict[str, Any], encoding: str) -> bytes:
    """Return `body` in `encoding`, JSON or PROTOBUF (metrics only, with INVALID_UTF8 put in)."""
    if encoding == JSON:
        return json.dumps(body).encode()
    message: bytes = json_format.ParseDict(body, ExportMetricsServiceRequest()).SerializeToString()
    return message.replace(INVALID_UTF8.encode(), b"bad\xff\xfe\xc3\x28utf8!")


class Sender:
    """One keep-alive HTTP connection to an OTLP receiver on loopback."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(self, where: str, body: bytes, encoding: str = JSON) -> tuple[int, str]:
        """Send one request; return status and body of the answer. OSError when there is no answer."""
        self._connection.request("POST", where, body, {"content-type": encoding})
        response = self._connection.getresponse()
        return response.status, response.read().decode(errors="replace")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
