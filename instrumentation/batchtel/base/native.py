"""Threads, locks and queues of the operating system, whatever gevent or eventlet has put in their place.

Both replace those of the standard library by green ones: a thread becomes a coroutine of the main thread, where one
call that blocks stops the whole job, and a green lock of eventlet cannot be released by another thread. What batchtel
shares between the job and its own threads is made here.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
from _queue import SimpleQueue  # the module of C: `queue` is one of those that are replaced
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import BuiltinFunctionType
from typing import Any, Final

from batchtel.base import pristine

_PATIENCE: Final = 0.005
"""Seconds between two looks at a lock where waiting for it would stop every coroutine of the job."""


_thread: Final[Any] = pristine.module("_thread")

Lock: Final = _thread.allocate_lock
"""Makes a lock that any thread can release."""

RLock: Final = _thread.RLock
"""Makes a reentrant lock."""

Queue: Final = SimpleQueue
"""A queue whose `put` may be interrupted by a signal handler that calls it again."""

_ours: Final[ContextVar[bool]] = ContextVar("batchtel_thread", default=False)


def is_ours() -> bool:
    """Whether this is a thread of batchtel: what it logs belongs to no run, and sending it would never end."""
    return _ours.get()


def is_green() -> bool:
    """Whether gevent or eventlet runs the job's threads as coroutines of its main thread."""
    if "gevent" not in sys.modules and "eventlet" not in sys.modules:
        return False
    shared = sys.modules["_thread"]
    return not all(isinstance(function, BuiltinFunctionType) for function in (shared.start_new_thread, time.sleep))


_LOOPS: Final = ("gevent.libev.corecext", "gevent.libev.corecffi", "gevent.libuv.loop")
_loading: Final = Lock()


def await_loop() -> None:
    """Return when gevent has loaded its event loop, or after a second without it; at once where it is not used.

    It imports the loop when the first thread of the process waits. Its locks are those of the import, too: two threads
    that wait for the first time at the same moment, ours in a socket and the job's, wait for each other for ever.
    """
    if "gevent" not in sys.modules or _has_loop() or not is_green():
        return
    with _loading:
        end = pristine.monotonic() + 1.0
        while not _has_loop() and pristine.monotonic() < end:
            pristine.sleep(_PATIENCE)
        if not _has_loop():
            # A job that never waits: no other thread imports it now.
            with contextlib.suppress(Exception):
                importlib.import_module(_LOOPS[0])


def _has_loop() -> bool:
    # What the module has at the end of its import.
    return any(hasattr(sys.modules.get(name), "loop") for name in _LOOPS)


def start(function: Callable[[], object]) -> None:
    """Call `function` in a thread of the operating system that does not keep the process alive.

    The module `threading` does not list it: its Thread, too, is replaced, even while it runs, and a job that counts
    its threads, waits for all of them or traces them finds its own.

    Raises:
        RuntimeError: There can be no further thread.
    """

    def run() -> None:
        _ours.set(True)
        # What it raises is its own affair: the interpreter would print it.
        with contextlib.suppress(Exception):
            function()

    _thread.start_new_thread(run, ())


class Latch:
    """Something that happens once: `set` by any thread, also by a signal handler, and waited for by any other.

    Not an Event: its wait() holds a lock that its set() needs.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()
        self.is_set = False

    def set(self) -> None:
        """Let go of all who wait."""
        if not self.is_set:
            self.is_set = True
            self._lock.release()

    def wait(self, seconds: float, *, green: bool = True) -> bool:
        """Wait for it, at most so many seconds; False if it has not happened.

        The coroutines of a job go on meanwhile, unless `green` is False: in a signal handler none may be switched.
        """
        seconds = min(max(0.0, seconds), threading.TIMEOUT_MAX)
        if green and is_green() and not _ours.get():
            return wait_until(lambda: self.is_set, seconds)
        if self._lock.acquire(timeout=seconds):
            self._lock.release()
        return self.is_set


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Look every few milliseconds whether something `holds`, at most so many seconds; False if it never did."""
    end = pristine.monotonic() + seconds
    while not holds():
        if pristine.monotonic() >= end:
            return False
        # The coroutines of the job run meanwhile: the name is looked up, for libraries replace it.
        (time.sleep if is_green() else pristine.sleep)(_PATIENCE)
    return True


class Guard:
    """Held around what our threads and the job share of the SDK, where its own locks are green; else it does nothing.

    Whoever cannot have it in half a second goes on without: a signal handler may have stopped the one that holds it.
    """

    def __init__(self) -> None:
        self._lock = RLock()

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Return what holds it for a `with` block."""
        return self._hold() if is_green() else _NOTHING

    @contextlib.contextmanager
    def _hold(self) -> Iterator[None]:
        has_it = self._lock.acquire(timeout=0.5)
        try:
            yield
        finally:
            if has_it:
                self._lock.release()


_NOTHING: Final[contextlib.AbstractContextManager[None]] = contextlib.nullcontext()
