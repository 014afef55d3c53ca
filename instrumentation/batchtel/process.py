"""The telemetry of this process: built when the first run starts, flushed when the process ends, never inherited.

A forked child must not send what its parent recorded (the stock SDK turns 100 into 200), so the child starts with none
and builds its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

from batchtel import native
from batchtel import settings as settings_table
from batchtel.ending import at_end, is_child_process
from batchtel.guard import harmless, warn_once
from batchtel.telemetry import Telemetry

NO_ENDPOINT: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is not set, so the runs of this process are not recorded; set it to the collector, "
    "for example http://127.0.0.1:4318, or set OTEL_SDK_DISABLED=true to turn batchtel off without this warning"
)

_lock = native.Lock()
_telemetry: Telemetry | None = None
_built = False


def telemetry() -> Telemetry | None:
    """Return the telemetry of this process, built at the first call; None if it is off or cannot be built."""
    global _telemetry, _built
    if not _built:
        with _lock:
            if not _built:
                _telemetry = _build()
                _built = True
    return _telemetry


@contextlib.contextmanager
def replaced(replacement: Telemetry) -> Iterator[None]:
    """Use `replacement` as the telemetry of this process for a while."""
    global _telemetry, _built
    before = _telemetry, _built
    _telemetry, _built = replacement, True
    try:
        yield
    finally:
        _telemetry, _built = before
        replacement.release_logging()


@harmless(False)
def flush(timeout: float | None = None) -> bool:
    """Send everything recorded until now, all three signals at the same time.

    Happens at the end of the process by itself; call it before `os._exit` or a kill. False if the collector had not
    acknowledged all of it within `timeout` seconds (by default BATCHTEL_EXIT_TIMEOUT); what is on its way then may
    still arrive.
    """
    if _telemetry is None:
        return True
    return _telemetry.outboxes.flush(_telemetry.outboxes.deadline if timeout is None else timeout)


@harmless(None)
def _build() -> Telemetry | None:
    settings = settings_table.read()
    if settings.disabled:
        return None
    for problem in settings.problems:
        warn_once(problem, "%s", problem)
    if not settings.has_endpoint:
        warn_once("endpoint", NO_ENDPOINT)
        return None
    built = Telemetry(settings)
    at_end(_stop, os.getpid())
    if is_child_process():
        # A child may count for a run that its parent has opened, and open none itself.
        from batchtel.termination import TERMINATION

        TERMINATION.install()
    return built


@harmless(None)
def _stop(pid: int) -> None:
    if pid == os.getpid() and _telemetry is not None:
        # The job's logging is not given back: an export that goes on beyond the deadline would be heard there.
        _telemetry.outboxes.stop()
        _keep_interrupt()


def report_end() -> None:
    """Report what became of the data of this process, which ends without exit handlers, if anything went wrong."""
    if _telemetry is not None:
        _telemetry.outboxes.report_end(_telemetry.outboxes.deadline)


@harmless(None)
def stop() -> None:
    """Send everything, what earlier runs have spooled too, by the deadline; for those who end without exit handlers."""
    if _telemetry is not None:
        _telemetry.outboxes.stop()


def _keep_interrupt() -> None:
    """Let a process that a KeyboardInterrupt has ended die by SIGINT, which a shell shows as 130.

    The interpreter forgets about the interrupt when exec() runs text at exit, as it does in the imports of the last
    flush (dataclasses, namedtuples), and would exit with 1. An interrupt out of exec() reminds it.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


def _forget() -> None:
    global _telemetry, _built, _lock
    if _telemetry is not None:
        _telemetry.release_logging()
    _telemetry, _built, _lock = None, False, native.Lock()


os.register_at_fork(after_in_child=_forget)
