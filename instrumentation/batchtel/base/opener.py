"""The owner process of a run, as the environment names it, and whether the run is still open."""

from __future__ import annotations

import functools
import os
import re
from typing import Final, NamedTuple

from batchtel.base import pristine

UNSEEN: Final = 86_400.0
"""Seconds that a run counts as open where that cannot be seen, as from another container: a day."""

_TRACEPARENT: Final = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
"""https://www.w3.org/TR/trace-context/#traceparent-header, compiled where it is needed: it costs 1 ms."""


class Opener(NamedTuple):
    """A process that has opened a run, with what that process needs to go on with the run after an exec.

    `opened` is Unix time in ns; `place` names the boot and the process namespace, empty where they cannot be seen;
    `ticks` is the start of the process; `cpu_seconds` is what it had used before the run, below 0 for a run that
    another process ends; `parent` is the id of the span above, 16 zeros if there is none.
    """

    opened: int
    place: str
    pid: int
    ticks: int
    cpu_seconds: float
    attempt: int
    parent: str
    traceparent: str
    job: str

    @classmethod
    def here(
        cls,
        job: str,
        attempt: int,
        traceparent: str,
        *,
        opened: int = 0,
        cpu_seconds: float = -1.0,
        parent: str = "",
    ) -> Opener:
        """Name this process as the opener of a run of `job`."""
        place, ticks = _this_process(os.getpid())
        parent = parent or "0" * 16
        opened = opened or pristine.time_ns()
        return cls(opened, place, os.getpid(), ticks, cpu_seconds, attempt, parent, traceparent, job)

    @classmethod
    def read(cls, text: str) -> Opener | None:
        """Read what `str` has written; None if `text` is anything else."""
        try:
            opened, place, pid, ticks, cpu_seconds, attempt, parent, traceparent, job = text.split(" ", 8)
            numbers = int(opened), int(pid), int(ticks), float(cpu_seconds), int(attempt)
        except ValueError:
            return None
        if trace_parts(traceparent) is None:
            return None
        when, process, start, used, number = numbers
        return cls(when, place.strip("-"), process, start, used, number, parent, traceparent, job)

    def __str__(self) -> str:
        """Return it as text without line ends."""
        return " ".join(str(field) for field in self._replace(place=self.place or "-"))

    @property
    def is_this_process(self) -> bool:
        """Whether it names this very process, which has become another program by exec since."""
        is_described = self.pid == os.getpid() and self.place != "" and self.cpu_seconds >= 0
        return is_described and (self.place, self.ticks) == _this_process(self.pid)

    def is_open(self, tally: str) -> bool:
        """Whether the run, whose tally is at the place `tally` if it has one, still is open.

        The tally is closed with the run. Where neither it nor the process can be seen, a day is the bound.
        """
        if self.place == "" or self.place != _this_process(os.getpid())[0]:
            return self._is_recent
        try:
            ticks = _ticks(self.pid)
        except FileNotFoundError:
            # Processes of other users can be hidden (hidepid of proc(5)).
            return _exists(self.pid) and self._is_recent
        except OSError:
            return self._is_recent
        if ticks != self.ticks or not tally:
            return ticks == self.ticks
        path, _, name = tally.partition(" ")
        try:
            return os.readlink(path) == f"/memfd:{name} (deleted)"
        except PermissionError:
            return self._is_recent
        except OSError:
            return False

    @property
    def _is_recent(self) -> bool:
        return abs(pristine.time() - self.opened / 1e9) < UNSEEN


def trace_parts(traceparent: str) -> tuple[str, str, str] | None:
    """Return trace id, span id and flags of a W3C traceparent; None if it is malformed."""
    if re.fullmatch(_TRACEPARENT, traceparent) is None:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    return trace_id, span_id, flags


@functools.cache
def _this_process(pid: int) -> tuple[str, int]:
    """Return place and start of this process, whose id is `pid` (a key: a forked child has its own)."""
    try:
        # The /proc of another process namespace has other numbers.
        if os.readlink("/proc/self") != str(pid):
            return "", 0
        boot = _content("/proc/sys/kernel/random/boot_id").decode("ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}", _ticks(pid)
    except (OSError, ValueError):
        return "", 0


def goes_on(pid: int) -> bool:
    """Whether the process of that id is there, and has not ended yet; False where it cannot be seen."""
    try:
        return _ticks(pid) != 0
    except OSError:
        return False


def _ticks(pid: int) -> int:
    """Return when a process was started, in ticks since the boot; 0 if it has ended and waits for its parent.

    Raises:
        OSError: The process cannot be seen; FileNotFoundError if there is none.
    """
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _content(path: str) -> bytes:
    with pristine.open(path, "rb") as file:
        return file.read()
