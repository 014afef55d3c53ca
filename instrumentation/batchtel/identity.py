"""Names and ids: what a job is called, and which run of it this is."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping

from batchtel.guard import warn_once
from batchtel.signals import NAME_LIMIT

UNKNOWN = "unknown"
"""The name of what has none."""


def clean_name(name: object, what: str) -> str:
    """Make `name` fit to be a label: text of 1 to 120 characters without control characters.

    A name that had to be changed is reported once; `what` says whose name it is. The same cut is made in the
    collector, so that a label is the same whoever wrote it.
    """
    text = name if isinstance(name, str) else str(name)
    cleaned = "".join(character if character.isprintable() else "?" for character in text[:NAME_LIMIT]).strip()
    if cleaned != text:
        warn_once(f"name:{cleaned}", "%s name %.60r is recorded as %.60r", what, text, cleaned or UNKNOWN)
    return cleaned or UNKNOWN


def new_run_id() -> str:
    """Make a UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, so that run ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random & (1 << 80) - 1
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def trace_carrier(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the trace context that the parent process handed over, as a carrier for OpenTelemetry's propagators.

    https://opentelemetry.io/docs/specs/otel/context/env-carriers/
    """
    return {key.lower(): environ[key] for key in ("TRACEPARENT", "TRACESTATE", "BAGGAGE") if environ.get(key)}
