"""The name that a wrong one most likely stands for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_LEAST_BEGINNING: Final = 2
"""Letters of an abbreviation; with one letter it is any name's."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that `name` abbreviates, such as production for prod, else one of similar spelling, else None."""
    # Here: a job's process has no use for it, unless something is misspelt.
    from difflib import get_close_matches

    by_lower = {other.lower(): other for other in names}
    lower = name.lower()
    begun = [other for other in by_lower if len(lower) >= _LEAST_BEGINNING and other.startswith(lower)]
    found = begun or get_close_matches(lower, by_lower, 1)
    return by_lower[found[0]] if found else None
