"""The status of a program of the stack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from batchtel_stack import output
from batchtel_stack.state import Process


@dataclass(frozen=True)
class Status:
    """One line of `batchtel stack status`.

    Attributes:
        name: the program.
        state: running; exited (it was started and has ended: a crash); stopped (it was not started).
        pid: its process id, None unless it runs.
        url: its address, None when it was not started.
        uptime: whole seconds since its start, None unless it runs.
        log: its log file, None when it was not started.
        last_lines: the end of its log when it has exited.
    """

    name: str
    state: Literal["running", "exited", "stopped"]
    pid: int | None = None
    url: str | None = None
    uptime: int | None = None
    log: Path | None = None
    last_lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, process: Process | None) -> Status:
        """Return the status of a process now; None stands for a program that was not started."""
        if process is None:
            return cls(name, "stopped")
        if process.runs():
            uptime = max(0, int(time.time() - process.started))
            return cls(name, "running", process.pid, process.url, uptime, process.log)
        return cls(name, "exited", None, process.url, None, process.log, tuple(output.tail(process.log, 10)))
