"""SIGHUP, SIGQUIT, SIGALRM and SIGXCPU while a run is open: each ends the process, and the runs before that.

As for SIGTERM (`batchtel.telemetry.sigterm`), with two differences. They are watched only where the default action
would follow: a timer of the job's own may send thousands of them. And they are caught once: where the main thread
stays in C code that keeps every other thread from running, the next one ends the process at once; SIGXCPU comes every
second.
"""

from __future__ import annotations

import _socket
import faulthandler
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

from batchtel.base import native
from batchtel.base.guard import harmless
from batchtel.telemetry.process import at_build_in_child
from batchtel.telemetry.sigterm import TERMINATION, Termination, has_bytes, open_pair

_LAYOUT: Final = ("x86_64", "aarch64")
"""Machines on which struct sigaction of glibc and musl is: handler, 128 bytes of mask, flags, restorer."""

_RESET: Final = 0x80000000
"""SA_RESETHAND of sigaction(2): the default action again, as soon as the handler is called."""


class EndingSignals(Termination):
    """Watches for several signals, from `install` to `remove`."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        super().__init__(numbers[0])
        self._numbers = tuple(numbers)
        self._watched: tuple[signal.Signals, ...] = ()
        self._replaced: set[signal.Signals] = set()
        self._is_found = False

    @harmless(None)
    def install(self) -> None:
        """Watch for each that would end this process now; the kernel keeps process 1 from that."""
        if self._process == os.getpid() or os.getpid() == 1 or os.uname().machine not in _LAYOUT:
            return
        self._process, self._before, self._is_found = os.getpid(), signal.SIG_DFL, False
        numbers = [number for number in self._numbers if self._is_free(number)]
        if not numbers:
            return
        read, write = self._pipe = open_pair()
        for number in numbers:
            faulthandler.register(number, file=write.fileno(), all_threads=False, chain=False)
            _catch_once(number)
        self._watched = tuple(numbers)
        native.start(lambda: self._serve(read))

    def _is_free(self, number: signal.Signals) -> bool:
        if signal.getsignal(number) is not signal.SIG_DFL:
            return False
        if number in self._replaced:
            # By the job, which has put back the default action since.
            self._replaced.discard(number)
            faulthandler.unregister(number)
        return _is_default(number)

    def halt(self) -> None:
        """Go no further in the main thread, if one has come: the job must not end by itself before it."""
        if self._process == os.getpid() and self._has_come():
            native.wait_until(lambda: self._is_ending or not self._has_come(), 1.0)
            if self._is_ending:
                super().halt()

    def _has_come(self) -> bool:
        pipe = self._pipe
        if self._is_ending or pipe is None:
            return self._is_ending
        return has_bytes(pipe[0]) or self._is_ending

    @harmless(None)
    def remove(self) -> None:
        """Watch no longer."""
        if self._process == os.getpid():
            self._find()
            self._process = 0
            self._let_go(None)

    def _let_go(self, now: Any) -> None:
        for number in self._watched:
            # Where the job has a handler of its own since, putting back what was there would remove it.
            if signal.getsignal(number) is signal.SIG_DFL:
                faulthandler.unregister(number)
            else:
                self._replaced.add(number)
        self._watched = ()
        if self._pipe is not None:
            self._pipe[1].close()
            self._pipe = None

    def _find(self) -> None:
        """Find which one has come: its default action is there again."""
        if self._has_come() and not self._is_found:
            for number in self._watched:
                if signal.getsignal(number) is signal.SIG_DFL and _is_default(number):
                    self._number, self._is_found = number, True
                    return

    def _serve(self, read: _socket.socket) -> None:
        while read.recv(1, _socket.MSG_PEEK):
            self._find()
            if self._is_found:
                self._is_ending = True
                self._end_process()
            read.recv(65536)
        read.close()


class AllSignals:
    """SIGTERM, and the other signals that end a process."""

    def __init__(self, *watches: Termination) -> None:
        self._watches = watches

    def install(self) -> None:
        """Watch for each."""
        for watch in self._watches:
            watch.install()

    def halt(self) -> None:
        """Go no further in the main thread, if one has come."""
        for watch in self._watches:
            watch.halt()

    def leave_alone(self) -> None:
        """Never watch in this process."""
        for watch in self._watches:
            watch.leave_alone()

    def remove(self) -> None:
        """Watch no longer."""
        for watch in self._watches:
            watch.remove()


def _is_default(number: int) -> bool:
    """Whether the default action of the kernel follows; C code may have a handler that Python does not show."""
    return not _action(number).handler


def _catch_once(number: int) -> None:
    import ctypes

    action = _action(number)
    action.flags = ctypes.c_int(action.flags | _RESET).value
    ctypes.CDLL(None).sigaction(int(number), ctypes.byref(action), None)


def _action(number: int) -> Any:
    import ctypes

    class Action(ctypes.Structure):
        _fields_ = (
            ("handler", ctypes.c_void_p),
            ("mask", ctypes.c_ubyte * 128),
            ("flags", ctypes.c_int),
            ("restorer", ctypes.c_void_p),
        )

    action = Action()
    if ctypes.CDLL(None).sigaction(int(number), None, ctypes.byref(action)):
        raise OSError(f"sigaction of {number}")
    return action


# Not SIGUSR1 and SIGUSR2, for which jobs register faulthandler themselves, nor those of profilers.
_OTHERS: Final = EndingSignals((signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU))
ENDINGS: Final = AllSignals(TERMINATION, _OTHERS)
"""The one of this process."""

at_build_in_child(ENDINGS.install)
os.register_at_fork(after_in_child=_OTHERS.forget)
