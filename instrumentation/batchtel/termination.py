"""SIGTERM while a run is open: Python's default would kill the process before a word is sent.

The signal still ends the process as it would without batchtel, by the same signal; open runs end as cancelled before
that. A handler of the job's own is called as ever, after the exports were told to begin.

A thread does the work. The interrupted main thread may hold any lock of the SDK, so the handler may only wait, and
not for long; and while the main thread is inside a C extension, where Python calls no handler, the default action
would have ended the process, so the thread ends it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any, Final

from batchtel import current, settings
from batchtel.guard import harmless
from batchtel.outboxes import LOADING, SPOOLING
from batchtel.outcome import Outcome
from batchtel.process import flush, report_end, telemetry
from batchtel.worker import THREAD_PREFIX


class Termination:
    """Our handler for SIGTERM, in place from `install` to `remove`."""

    def __init__(self) -> None:
        self._before: Any = None
        self._pipe: tuple[int, int] | None = None
        self._process = 0
        self._finished = threading.Event()
        self._handled = threading.Event()

    @harmless(None)
    def install(self) -> None:
        """Put the handler in place, if this is the main thread and the signal is not ignored."""
        if self._process == os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)
        # None: a handler that C code installed, which Python cannot call.
        if before is None or before is signal.SIG_IGN:
            return
        self._process = os.getpid()
        self._before = before
        if not callable(before):
            self._start_thread()
        signal.signal(signal.SIGTERM, self._handle)

    def leave_alone(self) -> None:
        """Never install the handler in this process: its owner has one that means something else than the end."""
        self._process = os.getpid()

    @harmless(None)
    def remove(self) -> None:
        """Put back what was there before, unless the job has changed it since."""
        if self._process != os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        self._process = 0
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self._pipe is None:
            return
        fd = signal.set_wakeup_fd(-1)
        if fd != self._pipe[1]:
            signal.set_wakeup_fd(fd)
        os.close(self._pipe[1])
        self._pipe = None

    @harmless(None)
    def forget(self) -> None:
        """Let go of everything in a forked child: a signal to it must not end the runs of its parent."""
        if self._process == 0:
            return
        self._process = 0
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        if self._pipe is not None:
            os.close(self._pipe[0])
        self._close_pipe()

    def _start_thread(self) -> None:
        read, write = self._pipe = os.pipe()
        os.set_blocking(write, False)
        # The C handler of the interpreter writes to it at once, wherever the main thread is.
        other = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        if other != -1:
            # An event loop listens there; its main thread is never far from calling our handler.
            signal.set_wakeup_fd(other)
        threading.Thread(target=self._serve, args=(read,), name=THREAD_PREFIX + "signal", daemon=True).start()

    def _serve(self, read: int) -> None:
        """Wait for SIGTERM, finish, and end the process if the main thread does not; ends with the pipe."""
        while received := os.read(read, 1):
            if received[0] == signal.SIGTERM:
                _finish(signal.SIGTERM)
                self._finished.set()
                if not self._handled.wait(0.5):
                    _end_by_default(signal.SIGTERM)
        os.close(read)

    def _handle(self, number: int, frame: FrameType | None) -> Any:
        if callable(self._before):
            _wake()
            return self._before(number, frame)
        if self._pipe is not None:
            os.write(self._pipe[1], bytes((number,)))
        begun = time.monotonic()
        if not self._finished.wait(settings.read().deadline + SPOOLING + 0.5) and _waits_for_imports(begun, frame):
            self._finished.wait(LOADING)
        self._handled.set()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return None


@harmless(None)
def _wake() -> None:
    process = telemetry()
    if process is not None:
        process.send_soon()


@harmless(None)
def _finish(number: signal.Signals) -> None:
    for scope in reversed(current.open_scopes()):
        scope.close(Outcome("cancelled", reason=number.name))
    flush()
    report_end()


@harmless(False)
def _waits_for_imports(begun: float, frame: FrameType | None) -> bool:
    """Whether the flush since `begun` (monotonic) waits for imports that go on while the main thread stands still."""
    while frame is not None:
        # It may hold the lock of the very module that the exporters import, too.
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return False
        frame = frame.f_back
    process = telemetry()
    return process is not None and process.outboxes.is_delayed(begun)


def _end_by_default(number: int) -> None:
    # Python lets only the main thread set handlers, and the main thread is busy in C.
    import ctypes

    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    libc.signal(number, None)
    os.kill(os.getpid(), number)


TERMINATION: Final = Termination()
os.register_at_fork(after_in_child=TERMINATION.forget)
