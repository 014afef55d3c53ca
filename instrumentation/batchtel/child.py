"""A command run as a child that cannot tell the difference: same terminal, process group, signals and exit status."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_NEVER_FORWARDED: Final = {signal.SIGKILL, signal.SIGSTOP}
_STOPS: Final = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_SI_KERNEL: Final = 0x80


@dataclass(frozen=True, slots=True)
class Ended:
    """How the child ended: its exit code, or the signal that killed it; CPU in seconds, peak memory in bytes."""

    exit_code: int | None
    signal: signal.Signals | None
    cpu_seconds: float
    peak_memory: int

    @property
    def shell_code(self) -> int:
        """The exit code as a shell shows it: 128 + n for signal n."""
        return 128 + self.signal if self.signal is not None else self.exit_code or 0


class Child:
    """A started command; `wait` passes signals on until it has ended.

    The child stays in our process group, so the terminal's own signals (Ctrl-C, Ctrl-Z, window size) reach it without
    us; what somebody sends to our process id alone is handed on.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], outputs: Mapping[int, int] | None = None
    ) -> None:
        """Start `command`; `outputs` maps the child's file descriptors to ours, for those that are captured.

        Raises:
            OSError: The command cannot be started.
        """
        self._watched = signal.valid_signals() - _NEVER_FORWARDED - _FAULTS
        # Blocked before the start, so that no signal falls between the start and the first wait.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in (outputs or {}).items()]
        self.started = time.time_ns()
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                dict(environ),
                file_actions=actions,
                setsigmask=before,
                # Python ignores these two; a child of a shell does not (https://bugs.python.org/issue1652).
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise

    def wait(self) -> Ended:
        """Wait for the end of the child, handing on the signals that we get meanwhile."""
        while (ended := self._ended()) is None:
            received = signal.sigwaitinfo(self._watched)
            number = signal.Signals(received.si_signo) if received.si_signo in _NAMED else received.si_signo
            if number == signal.SIGCHLD:
                continue
            if received.si_code != _SI_KERNEL or number == signal.SIGCONT:
                self.send(number)
            if number in _STOPS:
                os.kill(os.getpid(), signal.SIGSTOP)
        return ended

    def send(self, number: int) -> None:
        """Send a signal to the child, if it still is there."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def _ended(self) -> Ended | None:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return Ended(
            None if killed else os.WEXITSTATUS(status),
            signal.Signals(killed) if killed else None,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024,
        )


_NAMED: Final = {number.value for number in signal.Signals}


def end_like(ended: Ended) -> None:
    """End this process as the child ended: by the same signal, else with the same exit code; does not return."""
    if ended.signal is not None:
        import resource

        # The child has left its core; ours would only be mistaken for it.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if ended.signal not in _NEVER_FORWARDED:
            signal.signal(ended.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {ended.signal})
        os.kill(os.getpid(), ended.signal)
        # Still here as process 1 of a container, which the kernel does not let kill itself.
    os._exit(ended.shell_code)
