"""One background thread that exports one signal, and can be asked to be done by a deadline.

The SDK's batch processors and metric reader start a thread to flush, join for 30 s, and wait for locks that a hanging
export holds (opentelemetry-python #4568, #3307); since CPython 3.12 no thread can be started at interpreter exit.
Here the thread exists from the start, a flush is a request to it, and only the waiting is bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from batchtel.guard import warn_once

THREAD_PREFIX = "batchtel-"
"""How the names of our threads begin; their own log records are never exported, which would feed on itself."""


class Worker:
    """Calls `export` every `interval` seconds, at once when woken, and when a flush asks for it."""

    def __init__(self, name: str, export: Callable[[], None], interval: float) -> None:
        self._export = export
        self._interval = interval
        # Reentrant, because a signal handler of the job may log while the main thread is in here.
        self._condition = threading.Condition(threading.RLock())
        self._due = time.monotonic() + interval
        self._waiting: list[threading.Event] = []
        # A daemon: a hanging export must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=THREAD_PREFIX + name, daemon=True)
        self._thread.start()

    def wake(self, after: float = 0.0) -> None:
        """Export within `after` seconds instead of at the next interval; never blocks."""
        with self._condition:
            self._due = min(self._due, time.monotonic() + after)
            self._condition.notify()

    def request(self) -> threading.Event:
        """Ask for an export of everything recorded until now; the event is set when that export has ended."""
        done = threading.Event()
        with self._condition:
            self._waiting.append(done)
            self._condition.notify()
        return done

    def _run(self) -> None:
        # Library instrumentations must not make spans of our own requests; the context of this thread is ours alone.
        from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while True:
            waiting = self._wait()
            try:
                self._export()
            except Exception:
                warn_once(self._thread.name, "batchtel could not export (%s)", self._thread.name, exc_info=True)
            for done in waiting:
                done.set()

    def _wait(self) -> list[threading.Event]:
        with self._condition:
            while not self._waiting and (left := self._due - time.monotonic()) > 0:
                self._condition.wait(min(left, threading.TIMEOUT_MAX))
            self._due = time.monotonic() + self._interval
            waiting, self._waiting = self._waiting, []
        return waiting


def flush(workers: Iterable[Worker], timeout: float) -> bool:
    """Let all `workers` export at the same time; False if one was not done within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    requests = [worker.request() for worker in workers]
    return all(done.wait(max(0.0, deadline - time.monotonic())) for done in requests)
