"""Requests of OTLP as one line of JSON, as a collector's `otlp_json_file` receiver reads them, and back.

OTLP differs from protobuf's own JSON in that ids are hexadecimal, not base64
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message

_IDS: Final = {"traceId", "spanId", "parentSpanId"}


def dump(request: Message) -> bytes:
    """Return `request` as JSON with a line end."""
    tree = json_format.MessageToDict(request, use_integers_for_enums=True)
    text = json.dumps(_with_ids(tree, lambda text: base64.b64decode(text).hex()), separators=(",", ":"))
    return text.encode() + b"\n"


def load(data: bytes, empty: Message) -> Message:
    """Read one request into `empty` and return it.

    Raises:
        ValueError: It is not JSON, or not a request of this kind.
    """
    tree = _with_ids(json.loads(data), lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    try:
        return json_format.ParseDict(tree, empty)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error


def _with_ids(tree: Any, convert: Callable[[str], str]) -> Any:
    """Rewrite the ids; names of attributes are values in OTLP, never keys, so no attribute is mistaken for an id."""
    if isinstance(tree, dict):
        return {
            key: convert(value) if key in _IDS and isinstance(value, str) else _with_ids(value, convert)
            for key, value in tree.items()
        }
    return [_with_ids(item, convert) for item in tree] if isinstance(tree, list) else tree
