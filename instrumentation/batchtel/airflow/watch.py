"""A watch over a task's process: when that is killed by surprise, somebody is left to tell.

Where attempts are left, the scheduler finds out and calls a hook; where none is left, Airflow 3's supervisor writes the
state and calls none. So a shell waits at a pipe: a line is a good end, the end of the file without one is not, and only
then it becomes a Python that tells. It costs a process of 1 MiB while the task runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from batchtel.airflow.facts import Task
from batchtel.airflow.told_task import ToldTask
from batchtel.guard import harmless
from batchtel.outcome import Outcome

SHELL: Final = 'exec 3<&0; { read -r _ <&3 || exec "$0" "$@" 3<&-; } &'
"""Leaves the watch to the system's first process at once: a task that waits for its children finds its own only."""


class Watch:
    """One shell that waits for the end of this process."""

    def __init__(self, writing: int) -> None:
        self._writing = writing
        os.register_at_fork(after_in_child=self._let_go)

    @classmethod
    @harmless(None)
    def over(cls, task: Task) -> Watch | None:
        """Watch the last attempt of `task`, which runs in this process; None for one that another may follow."""
        if task.attempt <= task.retries:
            return None
        reading, writing = os.pipe()
        try:
            subprocess.run(
                ["/bin/sh", "-c", SHELL, *_teller(task)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=1,
                check=True,
                # What ends the group of the task must not end its watch.
                start_new_session=True,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return cls(writing)

    @harmless(None)
    def end(self) -> None:
        """End the watch: the task has told its end itself, or goes on in another process."""
        writing, self._writing = self._writing, -1
        with open(writing, "w") as pipe:
            pipe.write("ended\n")

    def _let_go(self) -> None:
        """Close the pipe in a child that the task forks, which may outlive it."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1


def _teller(task: Task) -> list[str]:
    return [sys.executable, "-P", "-m", __name__, json.dumps(task._asdict())]


def main() -> None:
    """Tell that the task of the only argument was lost."""
    told = ToldTask(Task(**json.loads(sys.argv[1])))
    told.tell_end(Outcome("lost", reason="the process of the task ended without a word"))


if __name__ == "__main__":
    main()
