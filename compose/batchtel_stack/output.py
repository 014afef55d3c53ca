"""The output of the programs: one log file each, and the one of the start before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_TAIL_BYTES: Final = 256 * 1024


def path(data: Path, program: str) -> Path:
    """Return the log file of a program in a data folder."""
    return data / "logs" / f"{program}.log"


def fresh(data: Path, program: str) -> Path:
    """Return the path of a new log. The one before stays as `NAME.log.1`: a crash can be read after the next start."""
    log = path(data, program)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def tail(log: Path, lines: int, end: int | None = None) -> list[str]:
    """Return the last `lines` lines before the byte `end`, by default the file's (of at most 256 KiB).

    There are none when there is no log.
    """
    if lines < 1 or not log.exists():
        return []
    with log.open("rb") as file:
        end = log.stat().st_size if end is None else end
        begin = max(0, end - _TAIL_BYTES)
        file.seek(begin)
        return file.read(end - begin).decode(errors="replace").splitlines()[-lines:]


def quoted(log: Path, lines: int) -> str:
    """Return the end of a log for an error message: indented, with the file's name below."""
    last = "\n".join(f"  {line}" for line in tail(log, lines)) or "  (no output)"
    return f"{last}\nThe whole log: {log}"
