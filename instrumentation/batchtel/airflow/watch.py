"""A watch over a task's process: when that is killed, another process is left to report it.

Airflow 3 calls no hook for a process that is killed by surprise in the last try, nor for one that it ends itself:
because the task was cleared or its state set by hand, or because its run has ended without it. So a shell waits at a
pipe: a line is a good end, the end of the file without one is not, and only then it becomes a Python that reports. It
costs a process of 1 MiB while the task runs.

Two ends are left to the scheduler, which calls a hook for them: exit code 0, which Airflow's supervisor reads as a
success that the task has reported, and an end without supervisor, whose heartbeats are missed.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from typing import Final, NoReturn

from batchtel.airflow import outcomes
from batchtel.airflow.facts import Task
from batchtel.airflow.task_step import FLUSH_TIMEOUT, report
from batchtel.base.guard import harmless
from batchtel.base.outcome import Outcome
from batchtel.telemetry.process import flush

_GET_INFO: Final = 3 << 30 | 64 << 16 | 0xFF << 8 | 11
_EXIT: Final = 1 << 3
_EXIT_CODE_AT: Final = 60
"""Parts of PIDFD_GET_INFO, by which Linux reports the exit code of another process from 6.15 on (linux/pidfd.h)."""

REAPED_WITHIN: Final = 5.0
"""Seconds that the supervisor of a process may need to collect it, before which the kernel keeps its exit code."""

SHELL: Final = """
exec 3<&0
supervisor=$1
shift
{ read -r _ <&3 || {
    supervised=no
    if [ "$supervisor" = 0 ]; then supervised=yes; elif [ -r "/proc/$supervisor/status" ]; then
        killed=no
        while read -r name value _; do
            case "$name$value" in
                VmSize:*) supervised=yes ;;
                State:[ZX]* | S??Pnd:*[13579bdf]??) killed=yes ;;
            esac
        done <"/proc/$supervisor/status"
        if [ $killed = yes ]; then supervised=no; fi
    fi
    exec "$0" "$@" "$supervised" 3<&-
}; } &
"""
"""Leaves the watch to the system's first process at once: a task that waits for its children finds its own only.

It looks for the supervisor itself: one that runs one task only has ended well before a Python has started. Where both
are killed at once, the supervisor may still have its SIGKILL before it (pending), or have no memory any more.
"""


class Signals:
    """The signals that this process gets, which Python's own handler writes into a pipe; no handler is installed.

    That works for signals with a handler in Python, such as Airflow's for SIGTERM, wherever the main thread is.
    """

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        # The shell uses the numbers below 10 itself: as 3 it would lose the pipe, and the reporter the signals.
        self.reading = fcntl.fcntl(reading, fcntl.F_DUPFD_CLOEXEC, 10)
        os.close(reading)
        for end in (self.reading, self._writing):
            os.set_blocking(end, False)
        self._received = b""
        if threading.current_thread() is threading.main_thread():
            other = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
            if other != -1:
                signal.set_wakeup_fd(other)

    def asked_to_end(self) -> bool:
        """Return whether SIGTERM was among them."""
        self._received += received(self.reading)
        return signal.SIGTERM in self._received

    def forget(self) -> None:
        """Close the pipe; where the task listens for signals by now, its own pipe is left alone."""
        if threading.current_thread() is threading.main_thread():
            present = signal.set_wakeup_fd(-1)
            if present != self._writing:
                signal.set_wakeup_fd(present)
        os.close(self.reading)
        os.close(self._writing)


def received(reading: int) -> bytes:
    """Return what a pipe holds that does not block."""
    try:
        return os.read(reading, 65536)
    except BlockingIOError:
        return b""


class Watch:
    """One shell that waits for the end of this process, which the process `supervisor` runs; 0 if none does."""

    def __init__(self, task: Task, supervisor: int) -> None:
        self._signals = Signals()
        self._process = own_descriptor()
        reading, self._writing = os.pipe()
        self._pipe = os.fstat(self._writing).st_ino
        self._exit = os._exit
        os.register_at_fork(after_in_child=self._let_go)
        try:
            subprocess.run(
                ["/bin/sh", "-c", SHELL, *self._reporter(task, supervisor)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._signals.reading, *([self._process] if self._process >= 0 else [])),
                timeout=1,
                check=True,
                # What ends the group of the task must not end its watch.
                start_new_session=True,
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(reading)
            if self._process >= 0:
                os.close(self._process)
        if not reads_exit_codes():
            os._exit = self._leave

    def _reporter(self, task: Task, supervisor: int) -> list[str]:
        arguments = [json.dumps(task._asdict()), str(self._signals.reading), str(self._process), str(supervisor)]
        return [sys.executable, str(supervisor), "-P", "-m", __name__, *arguments]

    @classmethod
    @harmless(None)
    def over(cls, task: Task, supervisor: int = 0) -> Watch | None:
        """Watch the attempt of `task` that runs in this process, below the process `supervisor`, 0 if there is none."""
        return cls(task, supervisor)

    def _leave(self, status: int) -> NoReturn:
        """End the watch before an `os._exit(0)`, where the kernel does not report exit codes."""
        if status == 0 and self._writing >= 0 and not self.asked_to_end():
            self.end()
        self._exit(status)

    @harmless(None)
    def end(self) -> None:
        """End the watch: the task reports its end itself, or goes on in another process."""
        if self._writing >= 0:
            # A task may have closed all files, and opened one of its own in this place.
            if os.fstat(self._writing).st_ino == self._pipe:
                os.write(self._writing, b"ended\n")
            self._let_go()

    @harmless(False)
    def asked_to_end(self) -> bool:
        """Return whether the process was asked to end, by SIGTERM."""
        return self._writing >= 0 and self._signals.asked_to_end()

    @harmless(None)
    def _let_go(self) -> None:
        """Close the pipes, in a child that the task forks, too: it may outlive the task."""
        if self._writing >= 0:
            writing, self._writing = self._writing, -1
            if os._exit == self._leave:
                os._exit = self._exit
            os.close(writing)
            self._signals.forget()


def own_descriptor() -> int:
    """Return a descriptor of this process, of a number that a shell leaves alone; -1 where there is no such thing."""
    try:
        descriptor = os.pidfd_open(os.getpid())
    except (OSError, AttributeError):
        return -1
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    finally:
        os.close(descriptor)


@functools.cache
def reads_exit_codes() -> bool:
    """Return whether the kernel reports exit codes."""
    release = os.uname().release.split(".")
    try:
        return (int(release[0]), int(release[1])) >= (6, 15)
    except (ValueError, IndexError):
        return False


def wait_for_exit(descriptor: int) -> tuple[bool, int | None]:
    """Wait for the end of a process; return whether it had not ended yet, and its exit code.

    That is below 0 for a signal, as of `subprocess`, and None where it cannot be read.
    """
    if descriptor < 0:
        return False, None
    ending = select.poll()
    ending.register(descriptor, select.POLLIN)
    # The files of a process are closed a moment before its end.
    waited = not ending.poll(1000)
    if waited:
        ending.poll()
    until = time.monotonic() + REAPED_WITHIN
    while reads_exit_codes() and time.monotonic() < until:
        info = bytearray(64)
        struct.pack_into("=Q", info, 0, _EXIT)
        try:
            fcntl.ioctl(descriptor, _GET_INFO, info)
        except OSError:
            pass
        else:
            (mask,) = struct.unpack_from("=Q", info, 0)
            if mask & _EXIT:
                return waited, os.waitstatus_to_exitcode(struct.unpack_from("=i", info, _EXIT_CODE_AT)[0])
        time.sleep(0.05)
    return waited, None


def is_alive(process: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as status:
            states = [line.split()[1] for line in status if line.startswith("State:")]
    except (OSError, IndexError):
        return False
    return states[:1] not in (["Z"], ["X"])


def main() -> None:
    """Report how the task of the first argument was lost, unless Airflow's scheduler does.

    The second is the pipe with the signals that its process got, the third a descriptor of that process, the fourth the
    process of its supervisor, and the last whether that was there at its end. A process that was asked to end was ended
    by Airflow, which tries the task again only if it was cleared, and counts from one then. One that was not was killed
    by surprise, and where another try follows, the scheduler finds out and calls the hook.
    """
    task, (signals, process, supervisor) = Task(**json.loads(sys.argv[1])), map(int, sys.argv[2:5])
    # It may have become another program by exec, or have closed all files: only then there is something to wait for.
    waited, code = wait_for_exit(process)
    if not (is_alive(supervisor) if waited and supervisor else sys.argv[5] == "yes"):
        return
    if signal.SIGTERM in received(signals):
        report(task, outcomes.TERMINATED, started=True)
    elif task.attempt > task.retries and code != 0:
        lost = Outcome("lost", reason="the process of the task ended without a report")
        report(task, lost, started=True)
    flush(FLUSH_TIMEOUT)


if __name__ == "__main__":
    main()
