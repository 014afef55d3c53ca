"""Requests of OTLP as JSON: what earlier versions of batchtel have written to the spool.

OTLP differs from protobuf's own JSON in that ids are hexadecimal, not base64
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from batchtel.export import messages

if TYPE_CHECKING:
    from batchtel.export.endpoint import Signal

_IDS: Final = {"traceId", "spanId", "parentSpanId"}


def encoded(signal: Signal, data: bytes) -> bytes:
    """Return the ExportServiceRequest of `signal` that `data` has as JSON, as protobuf; empty if it has none."""
    try:
        tree = _with_base64(json.loads(data))
        request = json_format.ParseDict(tree if isinstance(tree, dict) else {}, messages.request(signal))
    except (ValueError, json_format.ParseError):
        return b""
    return bytes(request.SerializeToString())


def _with_base64(tree: Any) -> Any:
    """Rewrite the ids; names of attributes are values in OTLP, never keys, so no attribute is mistaken for an id."""
    if isinstance(tree, dict):
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode()
            if key in _IDS and isinstance(value, str)
            else _with_base64(value)
            for key, value in tree.items()
        }
    return [_with_base64(item) for item in tree] if isinstance(tree, list) else tree
