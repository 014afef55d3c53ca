"""The records that all processes of one run have reported, added up for the one process that judges the run.

The code of a run may be in other processes than the one that opened it: in the command of `batchtel run`, in workers.
They share a piece of memory, which the kernel frees however they end.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from batchtel.base import lock, pristine
from batchtel.base.guard import harmless
from batchtel.base.opener import goes_on

HEADER: Final = 4096
"""Bytes before the first record: a page, for what all processes of the run share beside the records."""

_MARK_AT: Final = 64
"""Where in the header the mark of the run begins, after its length."""

_PREFIX: Final = "batchtel-"
_LENGTH: Final = struct.Struct("=I")
_RECORD: Final = struct.Struct("=qqdqq")
"""What one process has reported, and its id."""

_NOTHING: Final = (-1, -1, 0.0, -1)
"""Counts that were not reported are -1, and the time of data that was not reported is 0."""


class RecordCounts(NamedTuple):
    """Numbers of records, and the Unix time of the newest data; None is what was not reported.

    `failed_in_steps` is how many records its steps have reported as failed, 0 if they have reported other records only.
    """

    processed: int | None = None
    failed: int | None = None
    newest: float | None = None
    failed_in_steps: int | None = None

    def __add__(self, other: object) -> RecordCounts:
        """Return both together: records are added up, of two times the newest counts."""
        if not isinstance(other, RecordCounts):
            return NotImplemented
        newest = [time for time in (self.newest, other.newest) if time is not None]
        return RecordCounts(
            _sum(self.processed, other.processed),
            _sum(self.failed, other.failed),
            max(newest, default=None),
            _sum(self.failed_in_steps, other.failed_in_steps),
        )


def _sum(*counts: int | None) -> int | None:
    reported = [count for count in counts if count is not None]
    return sum(reported) if reported else None


class Tally:
    """A piece of memory with one record for each process, which only that one writes: none waits for another.

    `place` finds it from other processes of the same machine. Where they cannot reach it, from another container, they
    add nothing, and nothing happens.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._path, _, self._name = place.partition(" ")
        self._process = 0
        self._counts = RecordCounts()
        self._descriptor = self._position = -1

    @classmethod
    def new(cls) -> Tally:
        """Make one; `close` gives it back.

        Raises:
            OSError: No descriptor is left, or the kernel has no such memory.
        """
        name = f"{_PREFIX}{pristine.urandom(8).hex()}"
        descriptor = os.memfd_create(name)
        os.ftruncate(descriptor, HEADER)
        return cls(f"/proc/{os.getpid()}/fd/{descriptor} {name}")

    @classmethod
    def if_possible(cls) -> Tally | None:
        """Make one; None where that cannot be."""
        try:
            return cls.new()
        except OSError:
            return None

    @property
    def is_there(self) -> bool:
        """Whether the process that has made it still has it, and can be seen from here."""
        return self._is_there(self._path)

    @property
    def is_closed(self) -> bool:
        """Whether the process that has made it has closed it and goes on, as far as that can be seen."""
        try:
            return os.readlink(self._path) != f"/memfd:{self._name} (deleted)"
        except FileNotFoundError:
            return goes_on(int(self._path.split("/")[2]))
        except OSError:
            return False

    @harmless(None)
    def announce(self, mark: str) -> None:
        """Let the workers of this process, which has made it, find `mark` here, whenever they were started."""
        content = mark.encode("utf-8", "surrogatepass")
        if _MARK_AT + _LENGTH.size + len(content) <= HEADER:
            with suppress(OSError), self._opened("r+b") as memory:
                os.pwrite(memory.fileno(), _LENGTH.pack(len(content)) + content, _MARK_AT)

    @property
    def is_ours(self) -> bool:
        """Whether this process has made it."""
        return self._path.split("/")[2] == str(os.getpid())

    @harmless(b"")
    def shared(self, size: int) -> bytes:
        """Return the first bytes of the header, which all processes of the run write to; none if it cannot be read."""
        with suppress(OSError), self._opened("rb") as memory:
            return memory.read(size) or b""
        return b""

    @harmless(None)
    def put_shared(self, content: bytes) -> None:
        """Write the first bytes of the header."""
        with suppress(OSError), self._opened("r+b") as memory:
            memory.write(content[:_MARK_AT])

    @contextmanager
    def _opened(self, mode: str) -> Iterator[Any]:
        """Open the memory.

        Another thread may give it back at any moment, and its number is the job's next file then: so a descriptor of
        our own is written to, once it is clear what it is of.

        Raises:
            OSError: It is not there.
        """
        if not self.is_there:
            raise FileNotFoundError(self.place)
        with pristine.open(self._path, mode, buffering=0) as memory:
            if not self._is_there(f"/proc/self/fd/{memory.fileno()}"):
                raise FileNotFoundError(self.place)
            yield memory

    @property
    def _descriptor_here(self) -> int:
        return int(self._path.rpartition("/")[2])

    def add(self, counts: RecordCounts) -> None:
        """Add to the counts of this process."""
        self._write(counts, adds=True)

    def keep(self, counts: RecordCounts) -> None:
        """Replace the counts of this process by `counts`."""
        self._write(counts, adds=False)

    @harmless(None)
    def _write(self, counts: RecordCounts, *, adds: bool) -> None:
        with lock.shared():
            if self._process != os.getpid():
                # For the first time here, or in a forked child, which has a record of its own.
                self._process, self._counts = os.getpid(), RecordCounts()
                self._open()
            self._counts = self._counts + counts if adds else counts
            # A program that closes all files, as daemons do, may have opened one of its own in this place.
            if self._is_there(f"/proc/self/fd/{self._descriptor}"):
                os.pwrite(self._descriptor, _packed(self._counts), self._position)

    def survive_exec(self, survives: bool) -> None:
        """Leave the memory open in the program that this process, which has made it, becomes by exec; or no longer."""
        with suppress(OSError):
            if self._is_there(self._path):
                os.set_inheritable(self._descriptor_here, survives)

    def _open(self) -> None:
        """Append a record of our own; its place stays ours."""
        self._descriptor = -1
        if not self._is_there(self._path):
            return
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        os.write(self._descriptor, _RECORD.pack(*_NOTHING, os.getpid()))
        self._position = os.lseek(self._descriptor, 0, os.SEEK_CUR) - _RECORD.size
        # Otherwise pwrite() appends, too, on Linux: pwrite(2), BUGS.
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, 0)

    def _is_there(self, path: str) -> bool:
        # The number of a process may be that of another one in this container.
        try:
            return os.readlink(path) == f"/memfd:{self._name} (deleted)"
        except OSError:
            return False

    @harmless(RecordCounts())
    def total(self) -> RecordCounts:
        """Return the sum of what all processes have added."""
        total = RecordCounts()
        for processed, failed, newest, in_steps, _ in self._records():
            counts = (count if count >= 0 else None for count in (processed, failed, in_steps))
            total += RecordCounts(next(counts), next(counts), newest or None, next(counts))
        return total

    @harmless(False)
    def has(self, process: int) -> bool:
        """Whether the process of that id has made the memory, or has a record in it."""
        return self._path.split("/")[2] == str(process) or any(pid == process for *_, pid in self._records())

    def _records(self) -> Iterator[tuple[Any, ...]]:
        if not self._is_there(self._path):
            return iter(())
        with pristine.open(self._path, "rb", buffering=0) as memory:
            memory.seek(HEADER)
            content = memory.readall()
        return _RECORD.iter_unpack(content[: len(content) // _RECORD.size * _RECORD.size])

    def close(self) -> None:
        """Give the memory back; only in the process that has made it."""
        self.leave()
        if self._is_there(self._path):
            os.close(self._descriptor_here)

    def leave(self) -> None:
        """Add no more in this process."""
        if self._process == os.getpid() and self._is_there(f"/proc/self/fd/{self._descriptor}"):
            os.close(self._descriptor)
        self._process = 0


def _packed(counts: RecordCounts) -> bytes:
    values = (nothing if value is None else value for value, nothing in zip(counts, _NOTHING, strict=True))
    return _RECORD.pack(*values, os.getpid())


def announced_by(process: int) -> list[str]:
    """Return the marks of runs in the memory that the process of that number has open, its own and inherited ones."""
    try:
        names = os.listdir(f"/proc/{process}/fd")
    except OSError:
        return []
    marks = []
    for name in names:
        path = f"/proc/{process}/fd/{name}"
        with suppress(OSError, ValueError):
            if os.readlink(path).startswith(f"/memfd:{_PREFIX}") and (mark := _mark_at(path)):
                marks.append(mark)
    return marks


def _mark_at(path: str) -> str:
    with pristine.open(path, "rb", buffering=0) as memory:
        memory.seek(_MARK_AT)
        content = memory.read(HEADER - _MARK_AT) or b""
    end = _LENGTH.size + (_LENGTH.unpack_from(content)[0] if len(content) >= _LENGTH.size else 0)
    return content[_LENGTH.size : end].decode("utf-8", "surrogatepass")
