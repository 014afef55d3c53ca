"""The telemetry of this process: built when the first run starts, flushed when the process ends, never inherited.

A forked child must not send what its parent recorded (the stock SDK turns 100 into 200), so the child starts with none
and builds its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from batchtel.base import kept_modules, memory, native, switch
from batchtel.base.calls import public
from batchtel.base.guard import INCOMPLETE, harmless, warn_once
from batchtel.base.process_exit import at_end, is_child_process
from batchtel.base.values import number_of
from batchtel.schema import settings as settings_table
from batchtel.schema.settings import Settings
from batchtel.telemetry import fork_warning, lookup, open_runs
from batchtel.telemetry.sdk_metadata import without_disk

if TYPE_CHECKING:
    from batchtel.telemetry.providers import Telemetry

NO_ENDPOINT: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is not set, so the runs of this process are not recorded; set it to the collector, "
    "for example http://127.0.0.1:4318, or set OTEL_SDK_DISABLED=true to turn batchtel off without this warning"
)

# Reentrant: what is logged while the telemetry is built asks for it.
_lock = native.RLock()
_telemetry: Telemetry | None = None
_built = _building = False
_is_replaced = False
_settings: Settings | None = None
_in_children: list[Callable[[], None]] = []


def telemetry() -> Telemetry | None:
    """Return the telemetry of this process, built at the first call; None if it is off or cannot be built.

    And while the interpreter is torn down, when nothing can be imported and no thread of ours runs.
    """
    global _telemetry, _built, _building
    if sys.is_finalizing():
        return None
    kept_modules.restore(thoroughly=False)
    if not _built:
        with _lock:
            if not _built and not _building:
                _building = True
                try:
                    _telemetry = _build()
                    _built = True
                finally:
                    _building = False
    return _telemetry


def at_build_in_child(install: Callable[[], None]) -> None:
    """Call `install` when the telemetry of a worker of multiprocessing is built, which may open no run of its own."""
    _in_children.append(install)


def is_off() -> bool:
    """Whether nothing is recorded in this process, also before its telemetry is built."""
    if _built:
        return _telemetry is None
    settings = _settings or settings_table.read()
    return switch.is_off() or not settings.wanted or not settings.has_endpoint


@contextlib.contextmanager
def replaced(replacement: Telemetry) -> Iterator[None]:
    """Use `replacement` as the telemetry of this process for a while; a child that is forked meanwhile has none."""
    global _telemetry, _built, _is_replaced
    before, off = (_telemetry, _built, _is_replaced), switch.replace(False)
    _telemetry, _built, _is_replaced = replacement, True, True
    try:
        yield
    finally:
        _telemetry, _built, _is_replaced = before
        switch.replace(off)
        if _telemetry is None:
            replacement.release_logging()


@public(False, call="batchtel.flush(2.0)")
def flush(timeout: float | None = None) -> bool:
    """Send everything recorded until now, all three signals at the same time.

    Happens at the end of the process by itself; call it before `os._exit` or a kill. False if the collector had not
    acknowledged all of it within `timeout` seconds; what is on its way then may still arrive. By default all processes
    of a job together wait BATCHTEL_EXIT_TIMEOUT for a collector that does not answer.
    """
    if _telemetry is None:
        return True
    seconds = number_of(timeout, "flush timeout") if timeout is not None else None
    outboxes = _telemetry.outboxes
    return outboxes.flush_by_deadline() if seconds is None else outboxes.flush(seconds)


@harmless(None)
def _build() -> Telemetry | None:
    global _settings
    # Of a forked child those of its parent: what that has changed since it began is for other programs.
    settings = _settings or settings_table.read()
    if switch.keep() or not settings.wanted:
        return None
    for problem in settings.problems:
        warn_once(problem, "%s", problem)
    if not settings.has_endpoint:
        warn_once("endpoint", NO_ENDPOINT)
        return None
    if memory.is_short():
        warn_once("short", INCOMPLETE, "something is short (address space: ulimit -v)")
        return None
    _settings = settings
    _warn_of_other_exporters(settings)
    from batchtel.telemetry.providers import Telemetry

    with without_disk():
        from batchtel.telemetry.resource import detectable

        with detectable():
            built = Telemetry(settings)
    fork_warning.install()
    at_end(_stop, os.getpid())
    # Called by a handler of atexit, `at_end` comes too late.
    built.outboxes.is_late = not threading.main_thread().is_alive()
    if is_child_process():
        # A child may count for a run that its parent has opened, and open none itself.
        for install in _in_children:
            install()
    return built


def _warn_of_other_exporters(settings: Settings) -> None:
    for signal in settings.wanted:
        named = settings.exporters(signal)
        if named and not any(name.startswith("otlp") for name in named):
            variable = f"OTEL_{signal.upper()}_EXPORTER"
            warn_once(
                f"exporter:{signal}",
                "%s=%.60s is not an exporter of batchtel, which sends %s by OTLP anyway; set %s=none to send none",
                variable,
                ",".join(named),
                signal,
                variable,
            )


@harmless(None)
def _stop(pid: int) -> None:
    if pid == os.getpid() and _telemetry is not None:
        # The job's logging is not given back: an export that goes on beyond the deadline would be logged there.
        for scope in open_runs.open_scopes():
            if scope.is_run:
                # That of a forked child is its parent's, which ends it.
                _telemetry.send_last_log_records(scope.job.log)
        _telemetry.outboxes.stop()
        _keep_interrupt()


def report_end() -> None:
    """Report what became of the data of this process, which ends without exit handlers, if anything went wrong."""
    if _telemetry is not None:
        _telemetry.outboxes.report_end()


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
    # The wrapper of logging stays: by it a child that only logs begins to record.
    global _telemetry, _built, _building, _lock
    _telemetry, _built, _building, _lock = None, _is_replaced, False, native.RLock()


lookup.provide(telemetry)
os.register_at_fork(after_in_child=_forget)
