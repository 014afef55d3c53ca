"""Code blocks of the pages in docs/, which tests run."""

from __future__ import annotations

import re
from pathlib import Path


def blocks_of(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page that are in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
