"""Standard output whose failures are errors of their own, apart from those of the files that a command writes."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NUMBER: Final = 1
"""File descriptor of standard output."""


class UnwritableError(Exception):
    """Standard output cannot be written; the text is the reason, such as `No space left on device`."""


class ReaderGoneError(Exception):
    """What reads standard output has ended, as `head` does; no OSError, which click and rich end with 1 themselves."""


class Stdout(io.TextIOWrapper):
    """Writes to file descriptor 1 at once, so that no error is left to the interpreter's end."""


@contextmanager
def checked() -> Iterator[None]:
    """Within it, what writes to standard output raises UnwritableError where that is closed or full.

    It raises ReaderGoneError where its reader has ended. A stream that a caller has set in place of standard output is
    left alone.
    """
    original = sys.stdout
    if original is not sys.__stdout__:
        yield
        return
    # Python sets None for a descriptor that is closed at its start. A file opened since may have its number.
    raw = _Raw(is_open=original is not None)
    encoding, errors = (original.encoding, original.errors) if original is not None else ("utf-8", "strict")
    sys.stdout = Stdout(raw, encoding, errors, write_through=True)  # type: ignore[arg-type]  # as `python -u` has it
    try:
        yield
    finally:
        leave_unchecked()


def leave_unchecked() -> None:
    """End the check; a command that becomes another program leaves its output to that."""
    if isinstance(sys.stdout, Stdout):
        sys.stdout = sys.__stdout__


class _Raw(io.RawIOBase):
    def __init__(self, *, is_open: bool) -> None:
        self._is_open = is_open
        self._failed = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if not self._is_open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return _NUMBER

    def isatty(self) -> bool:
        return self._is_open and os.isatty(_NUMBER)

    def write(self, data: bytes) -> int:  # type: ignore[override]  # TextIOWrapper passes bytes
        """Write all of `data`; nothing after a failure, which is reported once."""
        rest = memoryview(data)
        try:
            while rest and not self._failed:
                rest = rest[os.write(self.fileno(), rest) :]
        except BrokenPipeError:
            self._failed = True
            raise ReaderGoneError from None
        except OSError as error:
            self._failed = True
            raise UnwritableError(error.strerror) from error
        return len(data)
