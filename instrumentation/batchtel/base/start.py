"""A start before telemetry was loaded: its time and its ids."""

from __future__ import annotations

from typing import NamedTuple


class Start(NamedTuple):
    """When it was, a Unix time in ns, the ids that were handed out for it, and its W3C trace flags."""

    time: int
    trace_id: int
    span_id: int
    flags: int = 1
