"""A mark on the host that a collector did not reply a moment ago, so that other processes do not wait for it at exit.

A file in a folder of the user's own in the host's temporary folder, with the time since when; its own time is that of
the last failure. Nothing is written while all is well, and the process that gets a reply removes it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from batchtel.base import pristine

FRESH: Final = 30.0
"""Seconds that a mark counts."""

LONG: Final = 10.0
"""Seconds from which on an outage is one that the next 2 s will not end: a collector that restarts needs less."""


def folder() -> Path:
    """Return the folder of this user, which may not be there, in the host's temporary folder."""
    # Not tempfile.gettempdir(): it tries the folder out by writing to it.
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"batchtel-{os.geteuid()}"


class Outage:
    """The mark of one collector, by the host and port of `url`."""

    def __init__(self, url: str) -> None:
        self._folder = folder()
        self._path = self._folder / (hashlib.sha256(urlsplit(url).netloc.encode()).hexdigest()[:16] + ".unreachable")
        self._marked = self.is_fresh

    @property
    def is_fresh(self) -> bool:
        """Whether a process of this user has set the mark in the last 30 s."""
        if not self._folder_is_ours():
            return False
        try:
            found = self._path.lstat()
        except OSError:
            return False
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_uid == os.geteuid()
            and 0 <= pristine.time() - found.st_mtime < FRESH
        )

    @property
    def is_long(self) -> bool:
        """Whether processes of this user have had no answer for 10 s and more, up to 30 s ago at most."""
        if not self.is_fresh:
            return False
        try:
            return pristine.time() - float(self._path.read_bytes()) >= LONG
        except (OSError, ValueError):
            return False

    def mark(self) -> None:
        """Set the mark, or renew it."""
        begins = not self.is_fresh
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not self._folder_is_ours():
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                if begins:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{pristine.time():.0f}\n".encode())
                os.utime(descriptor)
            finally:
                os.close(descriptor)
            self._marked = True

    def clear(self) -> None:
        """Remove the mark, if this process has seen or set it."""
        if self._marked:
            self._marked = False
            with suppress(OSError):
                self._path.unlink()

    def _folder_is_ours(self) -> bool:
        """Return whether the folder is a real one that no other user can write to."""
        try:
            found = self._folder.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
