"""Group `build`: the first build of all programs, in empty caches of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchtel.cli.main import Failure
from batchtel_stack.binaries import BINARIES
from benchmarks.report import Column, Goal, Report

GOAL: Final = 360.0
"""Seconds for all, on two cores."""

_COLUMNS: Final = (
    Column("programs", "programs", "text"),
    Column("wall_s", "wall", "s"),
    Column("cpu_s", "CPU", "s"),
    Column("caches_bytes", "all caches", "MiB"),
)
_ALL: Final = tuple(binary.name for binary in BINARIES)


def measure(folder: Path, progress: Callable[[str], None], names: Sequence[str] = _ALL) -> Report:
    """Build the named programs from nothing; `folder` holds all caches, 4 GB for all, and is emptied."""
    report = Report("build", "First build, cold: nothing cached, downloads included", _COLUMNS)
    progress(f"building {', '.join(names)}; its own progress follows")
    caches = {name: str(folder / name) for name in ("XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE")}
    with _emptied(folder):
        begun, before = time.monotonic(), os.times()
        outcome = subprocess.run(
            [sys.executable, "-c", "from batchtel.cli.main import main; main()", "stack", "build", *names],
            env=os.environ | caches,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        wall, after = time.monotonic() - begun, os.times()
        if outcome.returncode != 0:
            raise Failure(f"the build ended with {outcome.returncode}; its last lines are above", 3)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        size = sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
    report.rows.append({"programs": ", ".join(names), "wall_s": wall, "cpu_s": cpu, "caches_bytes": size})
    if set(names) == set(_ALL):
        report.goals.append(Goal("seconds for all programs", wall, GOAL))
    return report


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Empty `folder` at the end; Go leaves its module cache without write permission, even for folders."""
    try:
        yield
    finally:
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o755)
        for child in folder.iterdir():
            shutil.rmtree(child)
