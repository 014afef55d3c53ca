"""A running process, seen through /proc: its CPU seconds and its memory."""

from __future__ import annotations

import os
import statistics
import threading
from pathlib import Path
from types import TracebackType

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched:
    """One process; a context manager that reads its resident memory twice a second."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._memory: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def cpu(self) -> float:
        """Return the CPU seconds since its start, user and system; a hundredth of a second is the grain."""
        # The second field is the program's name in brackets and may contain spaces and brackets itself.
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> int:
        """Return the bytes that are resident now."""
        return int((self._folder / "statm").read_text().split()[1]) * _PAGE

    def pop_memory(self) -> tuple[int, int]:
        """Return median and maximum of the resident bytes since the last call."""
        values, self._memory = [*self._memory, self.memory()], []
        return int(statistics.median(values)), max(values)

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            try:
                self._memory.append(self.memory())
            except OSError:  # it has ended
                return
