"""An environment with one version of Airflow, made once from its lock file into the user's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache
from tests.support import installation
from tests.support.installation import ROOT, one_at_a_time

__all__ = ["HERE", "ROOT", "install", "migrated", "one_at_a_time"]

HERE: Final = Path(__file__).parent


def migrated(version: str) -> Path:
    """Return where the data of a database is that Airflow `version` has migrated: one for each lock file."""
    locked = hashlib.sha256((HERE / version / "uv.lock").read_bytes()).hexdigest()[:12]
    return cache.folder() / f"airflow-{version}" / f"database-{locked}"


def install(version: str) -> Path:
    """Return the folder of programs of Airflow `version`, such as `3.3`, with this checkout's batchtel beside it.

    Raises:
        RuntimeError: uv could not make the environment; with its output.
    """
    return installation.install(HERE / version, f"airflow-{version}")
