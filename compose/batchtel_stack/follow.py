"""Follow growing log files until Ctrl-C."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO


def follow(logs: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield (name, line) for every line that is added from now on, for ever.

    A restart begins a new file of the same name; that one is read from its start.
    """
    files = {name: _at_end(path) for name, path in logs.items()}
    begun = dict.fromkeys(logs, "")
    while True:
        quiet = True
        for name, path in logs.items():
            for line in iter(files[name].readline, ""):
                quiet = False
                begun[name] += line
                if line.endswith("\n"):  # else the program is in the middle of writing it
                    yield name, begun[name].rstrip("\n")
                    begun[name] = ""
            if path.exists() and path.stat().st_ino != os.fstat(files[name].fileno()).st_ino:
                files[name].close()
                files[name] = path.open(errors="replace")
        if quiet:
            time.sleep(0.2)


def _at_end(path: Path) -> IO[str]:
    file = path.open(errors="replace")
    file.seek(0, os.SEEK_END)
    return file
