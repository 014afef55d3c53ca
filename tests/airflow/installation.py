"""An environment with one version of Airflow, made once from its lock file into the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


def install(version: str) -> Path:
    """Return the folder of programs of Airflow `version`, such as `3.3`, with this checkout's batchtel beside it.

    Raises:
        RuntimeError: uv could not make the environment; with its output.
    """
    uv = shutil.which("uv") or os.environ.get("UV") or str(ROOT / ".bootstrap/bin/uv")
    # One for each checkout: batchtel in it is a link to the checkout.
    place = cache.folder() / f"airflow-{version}" / str(ROOT).strip("/").replace("/", "-")
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
