"""The telemetry of this process, for the modules below the one that builds it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol


class Recorder(Protocol):
    """The telemetry of a process, as far as spans and log records are queued there."""

    @property
    def put_span(self) -> Callable[[Any], None]:
        """A function that queues an ended span."""

    def copy(self, record: logging.LogRecord) -> None:
        """Queue a copy of a log record of the job."""


def _none() -> Recorder | None:
    return None


_find: Callable[[], Recorder | None] = _none


def telemetry() -> Recorder | None:
    """Return the telemetry of this process, built at the first call; None if it is off or cannot be built."""
    return _find()


def provide(find: Callable[[], Recorder | None]) -> None:
    """Let `telemetry` call `find`; the module that builds the telemetry calls this when it is imported."""
    global _find
    _find = find
