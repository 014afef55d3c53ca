"""Follow growing log files until Ctrl-C."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO


def follow(logs: Mapping[str, Path], begin: Mapping[str, int]) -> Generator[tuple[str, str], None, None]:
    """Yield (name, line) for every line of the files behind the byte `begin`, and for each new line, for ever.

    A restart creates a new file of the same name; it is read from its start, after the rest of the old one.
    """
    files = {name: _opened(path, begin[name]) for name, path in logs.items()}
    try:
        yield from _lines(logs, files)
    finally:
        for file in files.values():
            file.close()


def _lines(logs: Mapping[str, Path], files: dict[str, IO[bytes]]) -> Iterator[tuple[str, str]]:
    partial = dict.fromkeys(logs, b"")
    while True:
        quiet = True
        for name, path in logs.items():
            # Checked before reading: a file that has been replaced gets no more lines.
            replaced = _is_another(path, files[name])
            for part in iter(files[name].readline, b""):
                quiet = False
                partial[name] += part
                if part.endswith(b"\n"):  # else the program is in the middle of writing it
                    yield name, _text(partial[name])
                    partial[name] = b""
            if replaced:
                if partial[name]:
                    yield name, _text(partial[name])
                    partial[name] = b""
                files[name].close()
                files[name] = _opened(path, 0)
        if quiet:
            time.sleep(0.2)


def _opened(path: Path, begin: int) -> IO[bytes]:
    file = path.open("rb")
    file.seek(begin)
    return file


def _is_another(path: Path, file: IO[bytes]) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False  # between two files


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n")
