"""The uv of this checkout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""The checkout."""


def uv() -> str:
    """Return the uv that runs this process, the one on PATH, or that of `make`: a machine may have none on PATH."""
    return os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".bootstrap" / "bin" / "uv")
