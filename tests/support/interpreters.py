"""The interpreters of this machine, as parameters of tests, with the packages of this one."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import batchtel

VERSIONS = ("3.11", "3.12", "3.13")
"""Every version that a job may run on, from the oldest one that pyproject.toml allows."""


@functools.cache
def find(version: str) -> str | None:
    """Return the path of Python `version`: this one, one of PATH, or one of pyenv; None if there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(name), *sorted(map(str, pyenv.glob(f"{version}.*/bin/{name}")), reverse=True)]
    for candidate in filter(None, candidates):
        # A shim of pyenv is there for each version that was ever installed, and fails for those that are not selected.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def interpreter(version: str) -> str:
    """Return the path of Python `version`, or skip the test with what is missing."""
    found = find(version)
    if found is None:
        pytest.skip(f"Python {version} is missing: python{version} is neither on PATH nor among the versions of pyenv")
    return found


def packages(*before: str | Path) -> str:
    """Return a PYTHONPATH that has the folders `before`, batchtel, and what is installed here.

    All that a job imports over HTTP is pure Python or has a fallback that is, so other versions can import it.
    """
    ours = str(Path(batchtel.__path__[0]).parent)
    return os.pathsep.join([*map(str, before), ours, sysconfig.get_path("purelib")])
