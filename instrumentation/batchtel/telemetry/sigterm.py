"""SIGTERM while a run is open: its default action would kill the process before anything is sent.

The signal still ends the process as it would without batchtel, by the same signal; open runs end as cancelled before
that. A handler of the job's own is called as ever, while what was recorded is exported.

The job finds the handler that it would find without batchtel: one that calls the handler which `signal.getsignal`
returned, if it is callable, must not end the process by that. And no wakeup fd is set, which trio, asyncio and uvloop
each want for themselves. So the signal is seen where Python's own table does not show it: `faulthandler.register` puts
a handler in C before Python's, which writes to a pipe of ours, also while the main thread is inside a C extension.
"""

from __future__ import annotations

import _socket
import faulthandler
import fcntl
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from batchtel.base import native, pristine
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.export.wait_budget import SPOOL_TIMEOUT
from batchtel.telemetry import open_runs
from batchtel.telemetry.process import flush, report_end, telemetry

_STANDSTILL: Final = 0.2
"""Seconds that the main thread has to come out of our own code and stand still, before the runs are closed."""

_NO_BYTES: Final = bytes(4)
"""The answer of FIONREAD where nothing waits: an int of C."""

_MARGIN: Final = 0.5
"""Seconds beyond its bounds that the end of the runs may last."""


class Termination:
    """Watches for one signal, by default SIGTERM, from `install` to `remove`."""

    def __init__(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._number = number
        self._before: Any = None
        self._pipe: tuple[_socket.socket, _socket.socket] | None = None
        self._process = 0
        self._is_ending = False
        self._finished = native.Latch()

    @harmless(None)
    def install(self) -> None:
        """Watch for the signal, unless it is ignored or C code has a handler of its own for it."""
        if self._process == os.getpid():
            return
        before = signal.getsignal(self._number)
        if before is None or before is signal.SIG_IGN or (not callable(before) and _is_caught(self._number)):
            return
        self._process, self._before = os.getpid(), before
        read, write = self._pipe = open_pair()
        native.start(lambda: self._serve(read))
        # Python's own handler, where the job has one, is called after ours; no default action, which would end it now.
        faulthandler.register(self._number, file=write.fileno(), all_threads=False, chain=not self._ends)

    @property
    def _ends(self) -> bool:
        """Whether the signal ends the process: the kernel keeps process 1 from every default action."""
        return not callable(self._before) and os.getpid() != 1

    def halt(self) -> None:
        """Go no further in the main thread, if the signal has come: the job must not end by itself before it."""
        if self._process == os.getpid() and self._has_come() and _is_main_thread():
            self._finished.wait(threading.TIMEOUT_MAX, green=False)
            _pause()

    def _has_come(self) -> bool:
        """Whether the signal is there, also where our thread has not seen it yet."""
        if self._is_ending or self._pipe is None or not self._ends or not self._is_default():
            return self._is_ending
        return has_bytes(self._pipe[0]) or self._is_ending

    def _is_default(self) -> bool:
        return bool(signal.getsignal(self._number) == self._before)

    def leave_alone(self) -> None:
        """Never watch in this process: its owner has a handler that means something else than the end."""
        self._process = os.getpid()

    @harmless(None)
    def remove(self) -> None:
        """Watch no longer."""
        if self._process != os.getpid():
            return
        now = signal.getsignal(self._number)
        if now != self._before and not _is_main_thread():
            # The job has a handler since: only the main thread can put it back in its place.
            return
        self._process = 0
        self._let_go(now)

    @harmless(None)
    def forget(self) -> None:
        """Let go of everything in a forked child: a signal to it must not end the runs of its parent."""
        if self._process == 0:
            return
        self._process = 0
        if self._pipe is not None:
            self._pipe[0].close()
        self._let_go(signal.getsignal(self._number))
        self._is_ending, self._finished = False, native.Latch()

    def _let_go(self, now: Any) -> None:
        if self._pipe is None:
            return
        # This puts back what was there when we came, which the job may have replaced.
        faulthandler.unregister(self._number)
        if now != self._before and now is not None:
            signal.signal(self._number, now)
        self._pipe[1].close()
        self._pipe = None

    def _serve(self, read: _socket.socket) -> None:
        """Wait for the signal, and do what is to be done; ends with the pipe."""
        while read.recv(1, _socket.MSG_PEEK):
            if self._ends and self._is_default():
                self._is_ending = True
                self._end_process()
            read.recv(65536)
            _wake()
        read.close()

    def _end_process(self) -> None:
        """Close the open runs, send everything, and end the process by the signal's default action."""
        try:
            self._stop_main_thread()
            # A thread more: should it wait for a lock that the main thread holds, the process ends all the same.
            native.start(self._finish)
            process = telemetry()
            longest = (process.settings.deadline if process is not None else 0.0) + SPOOL_TIMEOUT + _MARGIN
            self._finished.wait(longest)
        finally:
            faulthandler.unregister(self._number)
            os.kill(os.getpid(), self._number)

    @harmless(None)
    def _finish(self) -> None:
        try:
            for scope in reversed(open_runs.recorded_scopes()):
                scope.close(Outcome.of_signal(self._number.name))
            flush()
            report_end()
        finally:
            self._finished.set()

    @harmless(None)
    def _stop_main_thread(self) -> None:
        """Let the main thread come to a halt, as at a signal that ends it: it must not go on with the job's work.

        Within C, where it may stay for minutes, it does no such work and is left there.
        """
        import ctypes

        add, stands = ctypes.pythonapi.Py_AddPendingCall, native.Latch()

        def stand() -> None:
            stands.set()
            self._finished.wait(threading.TIMEOUT_MAX, green=False)
            _pause()

        def stop(unused: object) -> int:
            frame = sys._getframe(1)
            # It may hold a lock that the end of the runs waits for, and lets go of it within microseconds.
            if not _is_busy_for_us(frame):
                stand()
            elif _IS_DRAINED:
                _call_at_next_line(frame, stand)
            else:
                add(self._stop, None)
            return 0

        self._stop = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(stop)
        add(self._stop, None)
        stands.wait(_STANDSTILL)


def open_pair() -> tuple[_socket.socket, _socket.socket]:
    """Return two sockets: one to wait at, and one to write to from a signal handler.

    Those of C, which no library patches. Not a pipe: its content cannot be looked at without being read.
    """
    read, write = _socket.socketpair()
    # Whatever the job has set as the default timeout of sockets: the thread that waits would end with it.
    read.setblocking(True)
    write.setblocking(False)
    return read, write


def has_bytes(read: _socket.socket) -> bool:
    """Whether something waits at a socket; asked at the end of each step, so without the exception of a recv()."""
    try:
        return fcntl.ioctl(read.fileno(), termios.FIONREAD, _NO_BYTES) != _NO_BYTES
    except (OSError, ValueError):
        # Closed, by another thread.
        return False


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _pause() -> None:
    """Wait for the end, which another thread brings about."""
    native.Latch().wait(_MARGIN, green=False)


_IS_DRAINED: Final = sys.version_info >= (3, 13)
"""Whether a pending call that adds itself again is called 32 times in one place, and then no more."""


def _call_at_next_line(frame: FrameType | None, function: Callable[[], None]) -> None:
    """Call `function` when the job's own code goes on, which has called what runs in `frame`."""

    def local(frame: FrameType, event: str, argument: object) -> None:
        function()

    while frame is not None and (_is_ours(frame) or _is_library(frame)):
        frame = frame.f_back
    if frame is not None:
        frame.f_trace = local
        # A debugger's or coverage's is replaced in a process that ends.
        sys.settrace(lambda *unused: None)


_LIBRARY: Final = os.path.dirname(os.__file__)
_OURS: Final = ("<frozen importlib", os.path.join(_LIBRARY, "logging") + os.sep)


def _is_busy_for_us(frame: FrameType | None) -> bool:
    """Whether code that runs in `frame` is batchtel's, the SDK's, logging's or an import, or called by one of them."""
    while frame is not None:
        if _is_ours(frame):
            return True
        if not _is_library(frame):
            return False
        frame = frame.f_back
    return False


def _is_ours(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return frame.f_code.co_filename.startswith(_OURS) or module.partition(".")[0] in ("batchtel", "opentelemetry")


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file.startswith((_LIBRARY + os.sep, "<frozen")) and "site-packages" not in file:
        return True
    # The constructor of a NamedTuple is code of a module that has only this name.
    return str(frame.f_globals.get("__name__", "")).startswith("namedtuple_")


def _is_caught(number: int) -> bool:
    """Whether something has a handler for the signal, in C, as the kernel shows it; False where there is no /proc."""
    try:
        with pristine.open("/proc/self/status", encoding="ascii") as status:
            line = next((line for line in status if line.startswith("SigCgt:")), "SigCgt: 0")
    except OSError:
        return False
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@harmless(None)
def _wake() -> None:
    process = telemetry()
    if process is not None:
        process.send_soon(0.0)


TERMINATION: Final = Termination()
os.register_at_fork(after_in_child=TERMINATION.forget)
