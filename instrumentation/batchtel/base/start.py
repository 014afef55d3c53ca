"""A start before telemetry was loaded: its time and its ids."""

from __future__ import annotations

from typing import NamedTuple


class Start(NamedTuple):
    """When it was, a Unix time in ns, and the ids that were handed out for it."""

    time: int
    trace_id: int
    span_id: int
