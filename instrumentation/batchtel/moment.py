"""Points in time that a scheduler hands over."""

from __future__ import annotations

from datetime import UTC, datetime

from batchtel.guard import warn_once
from batchtel.values import text_of


def unix_time(value: object, what: str) -> float | None:
    """Return `value` as Unix time in seconds; None, reported once, for what is no point in time.

    Takes a datetime, Unix seconds as a number or text, or ISO 8601 text; a time without a zone is local time.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            if not 0 < value < _LATEST:
                raise ValueError(value)
            return float(value)
        text = str(value).strip()
        if text.replace(".", "", 1).isdecimal():
            return unix_time(float(text), what)
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        shown = text_of(value)
        warn_once(f"time:{what}", "%s=%.60s is no point in time; write for example 2026-03-01T22:30:00Z", what, shown)
        return None


def iso(time: float) -> str:
    """Write Unix time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


_LATEST = 32503680000.0
"""The year 3000; beyond it somebody means milliseconds."""
