"""Where the user's cache is: built programs, logs of builds and, when none is installed, a Go toolchain."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """Return `$XDG_CACHE_HOME/batchtel`, `~/.cache/batchtel` when the variable is unset. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "batchtel"
