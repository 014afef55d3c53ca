"""A watch over a task's process: when that is killed, somebody is left to tell.

Airflow 3 calls no hook for a process that is killed by surprise in the last try, nor for one that it ends itself:
because the task was cleared or its state set by hand, or because its run has ended without it. So a shell waits at a
pipe: a line is a good end, the end of the file without one is not, and only then it becomes a Python that tells. It
costs a process of 1 MiB while the task runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Final

from batchtel.airflow import outcomes
from batchtel.airflow.facts import Task
from batchtel.airflow.told_task import PATIENCE, ToldTask
from batchtel.guard import harmless
from batchtel.outcome import Outcome
from batchtel.process import flush

SHELL: Final = 'exec 3<&0; { read -r _ <&3 || exec "$0" "$@" 3<&-; } &'
"""Leaves the watch to the system's first process at once: a task that waits for its children finds its own only."""


class Signals:
    """The signals that this process gets, which Python's own handler writes into a pipe; no handler is installed.

    That works for signals with a handler in Python, such as Airflow's for SIGTERM, wherever the main thread is.
    """

    def __init__(self) -> None:
        reading, self._writing = os.pipe()
        # The shell takes the numbers below 10 for its own: as 3 it would lose the pipe, and the teller its word.
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
        """Tell whether SIGTERM was among them."""
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
    """One shell that waits for the end of this process."""

    def __init__(self, task: Task) -> None:
        self._signals = Signals()
        reading, self._writing = os.pipe()
        os.register_at_fork(after_in_child=self._let_go)
        try:
            subprocess.run(
                ["/bin/sh", "-c", SHELL, *_teller(task, self._signals.reading)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._signals.reading,),
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

    @classmethod
    @harmless(None)
    def over(cls, task: Task) -> Watch | None:
        """Watch the attempt of `task` that runs in this process."""
        return cls(task)

    @harmless(None)
    def end(self) -> None:
        """End the watch: the task tells its end itself, or goes on in another process."""
        if self._writing >= 0:
            os.write(self._writing, b"ended\n")
            self._let_go()

    @harmless(False)
    def asked_to_end(self) -> bool:
        """Tell whether the process was told to end, by SIGTERM."""
        return self._writing >= 0 and self._signals.asked_to_end()

    @harmless(None)
    def _let_go(self) -> None:
        """Close the pipes, in a child that the task forks, too: it may outlive the task."""
        if self._writing >= 0:
            writing, self._writing = self._writing, -1
            os.close(writing)
            self._signals.forget()


def _teller(task: Task, signals: int) -> list[str]:
    return [sys.executable, "-P", "-m", __name__, json.dumps(task._asdict()), str(signals)]


def main() -> None:
    """Tell how the task of the first argument was lost, unless Airflow's scheduler does.

    The second is the pipe with the signals that its process got. A process that was asked to end was ended by Airflow,
    which tries the task again only if it was cleared, and counts from one then. One that was not was killed by
    surprise, and where another try follows, the scheduler finds out and calls the hook.
    """
    task = Task(**json.loads(sys.argv[1]))
    if signal.SIGTERM in received(int(sys.argv[2])):
        ToldTask(task, started=True).tell(outcomes.TERMINATED)
    elif task.attempt > task.retries:
        lost = Outcome("lost", reason="the process of the task ended without a word")
        ToldTask(task, started=True).tell(lost)
    flush(PATIENCE)


if __name__ == "__main__":
    main()
