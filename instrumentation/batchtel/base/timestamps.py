"""Timestamps of a scheduler, parsed and written."""

from __future__ import annotations

from datetime import UTC, datetime

from batchtel.base.guard import warn_once
from batchtel.base.values import is_given, text_of


def parse(value: object) -> float:
    """Return `value`, a datetime, Unix seconds as a number or text, or ISO 8601 text, as Unix time in seconds.

    A time without a zone is local time.

    Raises:
        ValueError: It is not a time, or one that `iso` cannot write; the message continues a sentence after the value.
    """
    try:
        time = _seconds(value)
        iso(time)
    except Exception as error:
        # Any: `value` may be an object of the job's, and its str() the job's code.
        raise ValueError("is not a time; write ISO 8601 or Unix seconds, for example 2026-03-01T22:30:00Z") from error
    return time


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        if not 0 < value < _LATEST:
            raise ValueError(value)
        return float(value)
    text = str(value).strip()
    return _seconds(float(text)) if text.replace(".", "", 1).isdecimal() else datetime.fromisoformat(text).timestamp()


def unix_time(value: object, what: str) -> float | None:
    """Return what `parse` does; None where nothing was given and, reported once, for what is not a time."""
    if not is_given(value):
        return None
    try:
        return parse(value)
    except ValueError as error:
        warn_once(f"time {what}", "%s=%.60s %s", what, text_of(value), error)
        return None


def iso(time: float) -> str:
    """Write Unix time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


_LATEST = 32503680000.0
"""The year 3000; beyond it somebody means milliseconds."""
