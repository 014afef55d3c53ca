"""The user's own lines of configuration, merged over the rendered ones, last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from batchtel_collector.environment import document
from batchtel_collector.environment.document import InvalidDocumentError, Problem
from batchtel_collector.environment.merging import merge

RULE: Final = "mappings key by key, lists and values whole; null removes a key"
"""How two configurations are merged; the header of the result has it."""


def merged(text: str, path: Path) -> str:
    """Return the rendered configuration `text` with the file at `path` merged over it, as YAML text.

    Raises InvalidDocumentError when the file cannot be read or is not strict YAML.
    """
    read = _read(path)
    header = "".join(line + "\n" for line in text.splitlines()[:2])
    whole = yaml.safe_load(text)
    assert isinstance(read.data, dict)
    merge(whole, read.data, _remove_null)
    body = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)
    return f"{header}# {path.name} is merged over it: {RULE}.\n{body}"


def located(problems: Sequence[Problem], path: Path) -> list[Problem]:
    """Return the problems of the merged configuration whose path is in the file at `path`, with their places in it."""
    places = _read(path).values
    return [replace(problem, place=places[problem.path]) for problem in problems if problem.path in places]


def _read(path: Path) -> document.Document:
    try:
        read = document.read(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidDocumentError("overrides", str(path), [Problem(f"cannot be read: {reason}")]) from None
    if read.problems or not isinstance(read.data, dict):
        not_a_mapping = Problem("must be keys and values", place=document.Place(1, 1))
        raise InvalidDocumentError("overrides", str(path), read.problems or [not_a_mapping])
    return read


def _remove_null(data: dict[str, object], path: document.Path) -> None:
    """Remove a key whose value is null: for the collector it would be a key with defaults."""
    if data[str(path[-1])] is None:
        del data[str(path[-1])]
