"""An environment with one version of Airflow, made once from its lock file into the user's cache."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Make `place` in a `with` block in one process at a time: the others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def migrated(version: str) -> Path:
    """Return where the data of a database is that Airflow `version` has migrated: one for each lock file."""
    locked = hashlib.sha256((HERE / version / "uv.lock").read_bytes()).hexdigest()[:12]
    return cache.folder() / f"airflow-{version}" / f"database-{locked}"


@functools.cache
def install(version: str) -> Path:
    """Return the folder of programs of Airflow `version`, such as `3.3`, with this checkout's batchtel beside it.

    Raises:
        RuntimeError: uv could not make the environment; with its output.
    """
    uv = shutil.which("uv") or os.environ.get("UV") or str(ROOT / ".bootstrap/bin/uv")
    # One for each checkout: batchtel in it is a link to the checkout.
    place = cache.folder() / f"airflow-{version}" / str(ROOT).strip("/").replace("/", "-")
    with one_at_a_time(place):
        done = subprocess.run(
            # Not `--locked`: the lock also repeats the development tools of this checkout, and may not have the latest.
            [uv, "sync", "--frozen", "--project", str(HERE / version)],
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"uv could not install Airflow {version} into {place}:\n{done.stderr}")
    return place / "bin"
