"""The JSON of the boards that is part of this package; what made it is not needed to read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def folder(aggregation: str) -> Path:
    """Return the folder with one `<uid>.json` for each board, for `exact` or `stock`."""
    return Path(__file__).parent.parent / "generated" / "boards" / aggregation


def texts(aggregation: str) -> Mapping[str, str]:
    """Return the JSON of each board by its uid."""
    return read(folder(aggregation))


def read(place: Path) -> Mapping[str, str]:
    """Return the text of each `*.json` of a folder, by its name without `.json`.

    Raises:
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not UTF-8.
    """
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(place.glob("*.json"))}
