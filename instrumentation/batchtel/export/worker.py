"""One background thread that exports one signal, and flushes it within a deadline.

The SDK's batch processors and metric reader start a thread to flush, join for 30 s, and wait for locks that a hanging
export holds (opentelemetry-python #4568, #3307); since CPython 3.12 no thread can be started at interpreter exit.
Here the thread exists from the start, a flush is a request to it, and only the waiting is bounded.

Whoever asks holds no lock that Python code could be interrupted with: a SIGTERM in the middle of the last flush has its
handler wait for a flush of its own, which would wait for that lock until its deadline.
"""

from __future__ import annotations

import queue
import threading
from _queue import SimpleQueue
from collections.abc import Callable, Iterable

from batchtel.base import kept_modules, native, pristine
from batchtel.base.guard import INCOMPLETE, described, lack, log_waiting, warn_once


class Flush:
    """A request to export everything recorded until now, tried again until `deadline`, a time of `time.monotonic`."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.delivered = False
        self._ended = native.Latch()

    def finish(self, delivered: bool) -> None:
        """Wake the code that waits for it."""
        self.delivered = delivered
        self._ended.set()

    def wait(self) -> bool:
        """Wait for the end, at most until the deadline; True if everything was delivered."""
        return self._ended.wait(self.deadline - pristine.monotonic()) and self.delivered


class Worker:
    """Calls `export` every `interval` seconds, at once when woken, and when a flush asks for it.

    `export` returns after how many seconds it wants to try again, 0 if everything is out; then `afterwards` is called,
    when no flush waits.
    """

    def __init__(
        self, name: str, export: Callable[[], float], interval: float, afterwards: Callable[[], None] = lambda: None
    ) -> None:
        self._export = export
        self._afterwards = afterwards
        self._interval = interval
        # Flushes, and times (monotonic) of an export at the latest. Its put() may be interrupted and called again.
        self._inbox: SimpleQueue[Flush | float] = native.Queue()
        self._due = pristine.monotonic() + interval
        self._not_before = 0.0
        self._retrying: list[Flush] = []
        self._name = name
        self._is_resting = False
        self.is_idle = True
        """Whether no export runs."""
        self.is_flushing = False
        """Whether a flush waits for the export that runs: all that was recorded until then is to be sent."""
        native.start(self._run)

    def wake(self, after: float = 0.0) -> None:
        """Export within `after` seconds instead of at the next interval, but not before a retry is due."""
        self._inbox.put(pristine.monotonic() + after)

    def request(self, deadline: float) -> Flush:
        """Ask for an export of everything recorded until now, at once, whatever a retry waits for."""
        flush = Flush(deadline)
        self._inbox.put(flush)
        return flush

    def rest(self) -> None:
        """Export only when a flush asks for it: the process ends.

        A thread that the end of the interpreter stops within C++ code, as greenlet's, ends the process by SIGSEGV.
        """
        self._is_resting = True

    @property
    def is_wanted(self) -> bool:
        """Whether an export was requested since the last one began, or the process ends."""
        return self._is_resting or not self._inbox.empty()

    def _run(self) -> None:
        # Library instrumentations must not make spans of our own requests; the context of this thread is ours alone.
        from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while True:
            self.is_idle = True
            asking = self._wait()
            native.await_loop()
            kept_modules.restore()
            self.is_flushing = bool(asking)
            delay = self._guarded(self._export)
            kept_modules.hand_back()
            if delay is None:
                while asking:
                    asking.pop().finish(False)
                delay = self._interval
            self._settle(asking, delay)
            if not delay:
                self._guarded(self._afterwards)

    def _guarded(self, function: Callable[[], float | None]) -> float | None:
        try:
            return function()
        except Exception as error:
            if lacking := lack(error):
                warn_once(f"lack:{lacking}", INCOMPLETE, lacking)
                return None
            warn_once(f"export:{self._name}", "batchtel could not export %s: %s", self._name, described(error))
            return None

    def _wait(self) -> list[Flush]:
        """Wait until an export is due or asked for; return the flushes that ask."""
        asking: list[Flush] = []
        while True:
            left = 0.0 if asking else self._until_due()
            try:
                asked = self._inbox.get(timeout=left) if left > 0 else self._inbox.get_nowait()
            except queue.Empty:
                # In this order, as `rest` and then `is_idle` for whoever lets it rest: one of the two is seen.
                self.is_idle = False
                if left <= 0 and (asking or self._until_due() <= 0):
                    break
                self.is_idle = True
                continue
            if isinstance(asked, Flush):
                asking.append(asked)
            else:
                self._due = min(self._due, asked)
        asking, self._retrying = self._retrying + asking, []
        return asking

    def _until_due(self) -> float:
        """Return the seconds until the next export that no flush asks for."""
        if self._is_resting and not self._retrying:
            return threading.TIMEOUT_MAX
        return min(max(self._due, self._not_before) - pristine.monotonic(), threading.TIMEOUT_MAX)

    def _settle(self, asking: list[Flush], delay: float) -> None:
        now = pristine.monotonic()
        self._not_before = now + delay if delay else 0.0
        self._due = now + (delay or self._interval)
        for flush in asking:
            if delay and self._not_before < flush.deadline:
                self._retrying.append(flush)
            else:
                flush.finish(not delay)


def flush(workers: Iterable[Worker], timeout: float) -> bool:
    """Let all `workers` export at the same time; False if one has not delivered all it had within `timeout` seconds."""
    deadline = pristine.monotonic() + timeout
    requests = [worker.request(deadline) for worker in workers]
    # A list first: one that failed early must not end the wait for the others.
    delivered = [request.wait() for request in requests]
    log_waiting()
    return all(delivered)
