"""The texts in a rendered configuration once it is parsed."""

from __future__ import annotations

from collections.abc import Iterator

from batchtel_collector.environment.document import Path


def texts(data: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of every value that is text, in the order of the configuration."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from texts(value, (*path, str(key)))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from texts(value, (*path, index))
    elif isinstance(data, str) and path:
        yield path, data
