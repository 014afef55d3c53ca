"""The folder of BATCHTEL_SPOOL_DIR: requests that could not be delivered, one a file, for a later run to send.

The process that sends a file holds a lock on it, which the kernel frees when the process dies, so no two processes send
one file. A file is deleted after its reply of 2xx; a process that is killed between the two, or a reply that is lost,
makes it be sent again with the same times and the same service.instance.id, by which the exact engine recognises it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from batchtel.base import pristine
from batchtel.base.guard import warn_once
from batchtel.export.endpoint import SIGNALS, Signal

_ENDING: Final = ".binpb"
"""The end of the name of each file, by the convention for files of one protobuf message."""

_FORMER: Final = ".json"
"""The end of the names of files that earlier versions have written, as JSON; they are read, and sent as protobuf."""


class Spooled(NamedTuple):
    """One request in the folder, locked by this process."""

    path: Path
    data: bytes

    def delete(self) -> None:
        """Remove it from the folder."""
        self.path.unlink(missing_ok=True)


class Spool:
    """The requests of one signal in the folder `folder`; all signals together use at most `limit` bytes."""

    def __init__(self, folder: str, limit: int, signal: Signal) -> None:
        self._folder = Path(folder)
        self._limit = limit
        self._signal = signal
        self._number = 0
        self.dropped = 0
        """Files that were dropped to make room, of any signal and process."""

    def write(self, request: bytes) -> Path:
        """Write `request`, an encoded ExportServiceRequest, to a file of its own; drops the oldest files to make room.

        Raises:
            OSError: The folder cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(len(request))
        self._number += 1
        path = self._folder / f"{pristine.time_ns()}-{os.getpid()}-{self._number}.{self._signal}{_ENDING}"
        unfinished = path.with_name(f".{path.name}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with pristine.open(descriptor, "wb") as file:
                file.write(request)
            os.rename(unfinished, path)
        except OSError:
            # On a full disk the halves of all processes would fill what room is left, and no limit counts them.
            unfinished.unlink(missing_ok=True)
            raise
        return path

    @contextmanager
    def oldest(self, passed: set[str]) -> Iterator[Spooled | None]:
        """Lock the oldest file of the signal that no process has locked and is not in `passed`; None if none is."""
        for path in self._files(self._signal):
            if path.name in passed:
                continue
            with _locked(path) as data:
                if data is not None:
                    yield Spooled(path, self._as_protobuf(path, data))
                    return
        yield None

    def _as_protobuf(self, path: Path, data: bytes) -> bytes:
        if path.suffix != _FORMER:
            return data
        from batchtel.export import otlp_json

        return otlp_json.encoded(self._signal, data)

    def _files(self, *signals: Signal) -> list[Path]:
        try:
            return files(self._folder, *signals)
        except OSError:
            return []

    def _make_room(self, size: int) -> None:
        sizes = []
        for path in self._files(*SIGNALS):
            with suppress(OSError):
                sizes.append((path, path.lstat().st_size))
        excess = sum(used for _, used in sizes) + size - self._limit
        for path, used in sizes:
            if excess <= 0:
                return
            with _locked(path) as data:
                if data is not None:
                    path.unlink(missing_ok=True)
                    excess -= used
                    self.dropped += 1
                    warn_once("spool:full", "the spool %s is full; its oldest files are dropped", self._folder)


def files(folder: Path, *signals: Signal) -> list[Path]:
    """Return the finished files of `folder` with requests of `signals`, the oldest first.

    Raises:
        OSError: The folder cannot be read.
    """
    endings = tuple(f".{signal}{ending}" for signal in signals for ending in (_ENDING, _FORMER))
    return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(endings) and name[0] != "."]


@contextmanager
def _locked(path: Path) -> Iterator[bytes | None]:
    """Lock the file and give its content; None if it is gone, another process holds it, or another user wrote it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        yield None
        return
    try:
        yield _content(descriptor)
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        # Without a link left another process has sent and deleted it since we opened it.
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink == 0:
            return None
        with pristine.open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return None
