"""A wrapper of `logging.Logger.callHandlers`, which copies the job's log records; one for all forks of a program.

Forked children inherit the wrapper: a child that only logs has no other moment to begin recording, and another library
that has wrapped it since (sentry-sdk does) keeps it where it is. A second one around that would copy each record twice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from batchtel.base import native
from batchtel.base.guard import harmless
from batchtel.export.delivery import diverted
from batchtel.telemetry import lookup, open_runs

_handled: Final[ContextVar[logging.LogRecord | None]] = ContextVar("batchtel_handled", default=None)
"""The record that a wrapper of ours is handing on; another one of ours within that leaves it alone."""

_copying: Final[ContextVar[bool]] = ContextVar("batchtel_copying", default=False)
"""Whether a record is being copied in this context: what is logged meanwhile is no record of the job."""


class LogHook:
    """Calls `copy` with each record after its handlers were called, and `prepare` before, unless `diverts` it."""

    def __init__(
        self,
        prepare: Callable[[], None],
        copy: Callable[[logging.LogRecord], None],
        diverts: Callable[[logging.LogRecord], bool],
    ) -> None:
        self._prepare = prepare
        self._copy = copy
        self._diverts = diverts
        self._is_on = False
        self._original: Any = None
        self._replacement: Any = None
        self._around_it: Any = None

    def install(self) -> None:
        """Put the wrapper in place; again, if somebody has put back what was there before it."""
        self._is_on = True
        found: Any = logging.Logger.callHandlers
        if found is not self._replacement and (self._around_it is None or found is not self._around_it):
            self._original = found
            self._replacement = self._around(self._original)
            logging.Logger.callHandlers = self._replacement  # type: ignore[method-assign]

    def remove(self) -> None:
        """Copy no more; put the standard library back as it was, unless somebody has wrapped it since."""
        self._is_on = False
        if logging.Logger.callHandlers is self._replacement:
            logging.Logger.callHandlers = self._original  # type: ignore[method-assign]
            self._around_it = None
        else:
            self._around_it = logging.Logger.callHandlers

    def _around(self, original: Any) -> Any:
        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802  # shows in tracebacks
            if not self._is_on or _handled.get() is record:
                original(logger, record)
            elif not self._diverts(record):
                self._prepare()
                token = _handled.set(record)
                try:
                    original(logger, record)
                finally:
                    _handled.reset(token)
                self._hand_on(record)

        # logging prints the stack of a record that a handler fails on from the first frame outside of its own file.
        callHandlers.__code__ = callHandlers.__code__.replace(co_filename=logging.__file__, co_firstlineno=1)
        return callHandlers

    def _hand_on(self, record: logging.LogRecord) -> None:
        if not _copying.get():
            token = _copying.set(True)
            try:
                self._copy(record)
            finally:
                _copying.reset(token)


@harmless(None)
def _attend() -> None:
    """Report that this process sends its records itself: before any handler may hand one on to another process."""
    scope = open_runs.scope()
    if scope is not None:
        scope.job.data.attend()


@harmless(None)
def _copy(record: logging.LogRecord) -> None:
    """Copy one record to the telemetry of this process, which a forked child builds for its first one.

    Not one that another process of the run has made and sends: workers hand them to their parent by queues or sockets.
    """
    scope = None if native.is_ours() else open_runs.scope()
    if scope is None:
        return
    if record.process not in (None, os.getpid()) and scope.job.data.has_sender(record.process):
        return
    if (telemetry := lookup.telemetry()) is not None:
        telemetry.copy(record)


HOOK: Final = LogHook(_attend, _copy, diverted)
"""The one of this program."""
