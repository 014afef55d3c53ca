"""The state of a stack between two commands, its ports and processes: `stack.json` in its data folder."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

from batchtel_stack.ports import Ports


@dataclass(frozen=True)
class Process:
    """One started program.

    Attributes:
        name: the program.
        pid: its process id, which is its process group's too.
        ticks: its start time in clock ticks since boot (`/proc/PID/stat`), to detect a reused process id.
        started: its start as Unix time in seconds.
        url: its address.
        log: its output.
    """

    name: str
    pid: int
    ticks: int
    started: float
    url: str
    log: Path

    def runs(self) -> bool:
        """Whether exactly this process runs; a zombie does not."""
        return ticks(self.pid) == self.ticks


@dataclass(frozen=True)
class State:
    """A started stack: its ports and processes."""

    ports: Ports
    processes: tuple[Process, ...]


def ticks(pid: int) -> int | None:
    """Return the start time of a running process in clock ticks since boot, None when it has ended or is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets and may contain spaces and brackets itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def file(data: Path) -> Path:
    """Return the path of the state in a data folder."""
    return data / "stack.json"


def read(data: Path) -> State | None:
    """Return the state in a data folder, None when there is none or it is not readable as one."""
    try:
        content = json.loads(file(data).read_text())
        processes = tuple(Process(**{**entry, "log": Path(entry["log"])}) for entry in content["processes"])
        return State(Ports(**content["ports"]), processes)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(data: Path, state: State) -> None:
    """Replace the state in a data folder at once: a reader sees the old one or the new one."""
    content = {
        "ports": dataclasses.asdict(state.ports),
        "processes": [{**dataclasses.asdict(process), "log": str(process.log)} for process in state.processes],
    }
    partial = file(data).with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, file(data))


def remove(data: Path) -> None:
    """Remove the state from a data folder."""
    file(data).unlink(missing_ok=True)
