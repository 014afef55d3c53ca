"""A lock file that the kernel releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class Lock:
    """An exclusive lock on a file, with the holder's process id in it. Nothing is opened before `acquire`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Acquire the lock without waiting; return whether this object holds it now."""
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def holder(self) -> str:
        """Return the process id that the last holder wrote, `?` when there is none."""
        return (self.path.read_text() if self.path.exists() else "").strip() or "?"

    def release(self) -> None:
        """Release the lock; nothing happens when it is not held."""
        if self._file is not None:
            # The file stays: removing it would let a third process lock a new file of the same name.
            self._file.close()
            self._file = None
