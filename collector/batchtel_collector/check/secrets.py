"""Secrets in a rendered configuration, where only references to them may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from batchtel.redact.patterns import Redaction
from batchtel_collector.environment.document import Path, dotted
from batchtel_collector.environment.values import REFERENCE, is_sensitive

_REDACTION: Final = Redaction()


def secrets_in(text: str) -> list[str]:
    """Return a message for each setting that holds a secret, by its name or by its shape; none repeats the secret."""
    return [
        f'{dotted(path)} holds what looks like a secret; write "${{env:NAME}}" in its place'
        for path, value in _texts(yaml.safe_load(text), ())
        if _is_secret(path, REFERENCE.sub("", value), value)
    ]


def _is_secret(path: Path, bare: str, whole: str) -> bool:
    if _REDACTION.text(bare) != bare:
        return True
    # A scheme such as Bearer stands before the reference; a path is that of the file with the secret.
    named = is_sensitive(str(path[-1])) and not whole.startswith("/")
    return named and bare == whole and bool(bare.strip())


def _texts(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, str(key)))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _texts(value, (*path, index))
    elif isinstance(data, str) and path:
        yield path, data
