"""Labels of metrics as the job side bounds them."""

from __future__ import annotations

import hashlib


def label_of(text: str, limit: int = 120) -> str:
    """Return a long ASCII text as the label of a metric: cut, with a hash of the whole at its end."""
    return f"{text[: limit - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
