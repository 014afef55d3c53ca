"""A command run as a child that finds no difference: same terminal, process group, signals and exit status."""

from __future__ import annotations

import os

# os.wait4() imports it when it is called, and then there may be no descriptor left for that.
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchtel.base.values import text_of
from batchtel.cli.spawn import spawn

if TYPE_CHECKING:
    from batchtel.base.outcome import Outcome

_NEVER_FORWARDED: Final = {signal.SIGKILL, signal.SIGSTOP}
_JOB_CONTROL: Final = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_SI_KERNEL: Final = 0x80

_OF_THE_TERMINAL: Final = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGCONT} | _JOB_CONTROL
"""What the kernel sends to a whole process group."""

_OURS: Final = {signal.SIGCHLD, signal.SIGXCPU}
"""What the kernel sends to us about ourselves; an alarm, in contrast, was set before us for whatever runs here."""


_ASKING: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
"""What asks a program to end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the child: its exit code, or the number of the signal that killed it; CPU in seconds, memory in bytes.

    `received` are the numbers of the signals that have come while it ran.
    `peak_memory` is at least ours at the start of the child, about 20 MB: until a spawned process has its own program,
    the kernel counts the memory that it shares with us.
    """

    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    peak_memory: int
    received: frozenset[int] = frozenset()

    @property
    def shell_code(self) -> int:
        """The exit code as a shell shows it: 128 + n for signal n."""
        return 128 + self.signal if self.signal is not None else self.exit_code or 0

    @property
    def signal_name(self) -> str:
        """The signal's name, SIGRTMIN+n for the real-time signals without one of their own; empty if there is none."""
        if self.signal is None:
            return ""
        if signal.SIGRTMIN < self.signal < signal.SIGRTMAX:
            return f"SIGRTMIN+{self.signal - signal.SIGRTMIN}"
        return signal.Signals(self.signal).name


class Child:
    """A started command; `wait` passes signals on until it has ended.

    The child stays in our process group, so the terminal's own signals (Ctrl-C, Ctrl-Z, window size) reach it without
    us; what somebody sends to our process id alone is handed on. Who sends to the whole group by kill() reaches it
    twice: a signal to a group looks like one to us.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], outputs: Mapping[int, int] | None = None
    ) -> None:
        """Start `command`; `outputs` maps the child's file descriptors to ours, for those that are captured.

        Raises:
            OSError: The command cannot be started.
        """
        self._watched = signal.valid_signals() - _NEVER_FORWARDED
        self._resumed = False
        self._received: set[int] = set()
        # Blocked before the start, so that no signal falls between the start and the first wait.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        self.started = time.time_ns()
        try:
            self.pid = spawn(command, environ, outputs or {}, before)
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise

    def wait(self) -> Ended:
        """Wait for the end of the child, handing on the signals that we get meanwhile."""
        while (ended := self._ended()) is None:
            received = signal.sigwaitinfo(self._watched)
            self._received.add(received.si_signo)
            if self._is_to_be_sent(received):
                self.send(received.si_signo)
        return ended

    def send(self, number: int) -> None:
        """Send a signal to the child, if it still is there and has not become somebody else's (sudo)."""
        try:
            os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _is_to_be_sent(self, received: signal.struct_siginfo) -> bool:
        number = received.si_signo
        if received.si_code == _SI_KERNEL:
            # A terminal that hangs up signals the leader of its session alone, whose end signals the others.
            is_leader = number == signal.SIGHUP and os.getsid(0) == os.getpid()
            return is_leader or number not in _OF_THE_TERMINAL | _OURS
        if number == signal.SIGCHLD and received.si_code > 0:
            return False
        if number == signal.SIGCONT and self._resumed:
            # A shell's fg continues the whole group.
            self._resumed = False
            return False
        return not self._is_below(received.si_pid)

    def _is_below(self, sender: int) -> bool:
        """Whether `sender` is the child or was started by it: `kill 0` has reached the child, `kill $PPID` is not its.

        A sender that has ended, or is in another process namespace, is not.
        """
        while sender > 1 and sender != os.getpid():
            if sender == self.pid:
                return True
            try:
                # The name, in parentheses, may itself hold spaces and parentheses.
                sender = int(Path(f"/proc/{sender}/stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                return False
        return False

    def _ended(self) -> Ended | None:
        """Return the end of the child, None while it runs; stop with it, so that the shell gets its terminal back.

        All other processes that end below us are waited for, too.
        """
        while True:
            # Not of this child alone: as process 1, or a subreaper, we are given what it leaves behind, and after an
            # exec what was started before. No other process would ever wait for those.
            pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                return None
            if pid != self.pid:
                continue
            if os.WIFCONTINUED(status):
                self._resumed = True
            elif os.WIFSTOPPED(status):
                self._resumed = False
                # Not for SIGSTOP: who stops and continues the child by its id, such as cpulimit, would leave us behind.
                if os.WSTOPSIG(status) in _JOB_CONTROL:
                    _stop_by(os.WSTOPSIG(status))
            else:
                killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                return Ended(
                    None if killed else os.WEXITSTATUS(status),
                    killed,
                    usage.ru_utime + usage.ru_stime,
                    usage.ru_maxrss * 1024,
                    frozenset(self._received),
                )


def oom_kills() -> int:
    """Return how many processes of this control group the kernel has killed for memory; 0 where it does not show it."""
    # Of control groups 2, and 1.
    for name in ("memory.events", "memory/memory.oom_control"):
        try:
            text = Path("/sys/fs/cgroup", name).read_text()
        except OSError:
            continue
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)
    return 0


def _stop_by(number: int) -> None:
    """Stop this process by `number`, one of job control, until somebody continues it."""
    before = signal.signal(number, signal.SIG_DFL)
    # While it still is blocked: one that the terminal has sent us, too, is the same one then.
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    signal.signal(number, before)


def end_like(ended: Ended) -> None:
    """End this process as the child ended: by the same signal, else with the same exit code; does not return."""
    if ended.signal is not None:
        # The child has left its core; ours would only be mistaken for it.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if ended.signal not in _NEVER_FORWARDED:
            signal.signal(ended.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {ended.signal})
        os.kill(os.getpid(), ended.signal)
        # Still here as process 1 of a container, which the kernel does not let kill itself.
    os._exit(ended.shell_code)


def outcome_of(ended: Ended, error: OSError | None = None, *, out_of_memory: bool) -> Outcome:
    """Return the outcome of a run whose command ended so, or was not started because of `error`.

    SIGKILL is lost: only the kernel and an impatient operator send it. The signals that ask a program to end are
    cancelled, also where the command has caught one that came and exits with 128 + n, as a JVM does and a shell. Any
    other signal, and any other exit code but 0, is a failure.
    """
    from batchtel.base.outcome import Outcome

    if error is not None:
        return Outcome("failure", type(error).__name__, ended.exit_code, reason=text_of(error.strerror))
    if ended.signal is None:
        code = ended.exit_code or 0
        if code - 128 in ended.received & _ASKING:
            return Outcome("cancelled", exit_code=code, reason=signal.Signals(code - 128).name)
        return Outcome("success", exit_code=0) if code == 0 else Outcome("failure", "unknown", code)
    name = ended.signal_name
    if name == "SIGKILL":
        return Outcome("lost", reason="out of memory" if out_of_memory else "killed by SIGKILL")
    return Outcome.of_signal(name)
