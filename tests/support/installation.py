"""Environments of their own for tests, made once from their lock files into the user's cache."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchtel_collector.check import cache
from tests.support.uv import ROOT, uv

__all__ = ["ROOT", "install", "one_at_a_time"]


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Make `place` in a `with` block in one process at a time: the others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def install(project: Path, name: str) -> Path:
    """Return the folder of programs of `project`, a folder with a lock file, with this checkout's batchtel beside it.

    Raises:
        RuntimeError: uv could not make the environment; with its output.
    """
    # One for each checkout: batchtel in it is a link to the checkout.
    place = cache.folder() / name / str(ROOT).strip("/").replace("/", "-")
    with one_at_a_time(place):
        done = subprocess.run(
            # Not `--locked`: the lock also repeats the development tools of this checkout, and may not have the latest.
            [uv(), "sync", "--frozen", "--project", str(project)],
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"uv could not install {name} into {place}:\n{done.stderr}")
    return place / "bin"
