"""Merging of one layer of keys and values over another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batchtel_collector.environment.document import Document, Path

Replaced = Callable[[dict[str, object], Path], None]
"""Called with a mapping and the path of a key in it, whose value is now that of the upper layer."""


def merge(
    below: dict[str, object], above: Mapping[str, object], replaced: Replaced | None = None, path: Path = ()
) -> None:
    """Put `above` over `below`, in place: mappings key by key, everything else whole.

    Null is a value as any other: it replaces what was there, so that an optional key is unset again.

    Args:
        below: what is changed.
        above: what wins; it is not changed, but its lists and mappings become part of `below`.
        replaced: called after each key that was set and not merged.
        path: where the two are in a whole.
    """
    for key, value in above.items():
        under, here = below.get(key), (*path, key)
        if isinstance(value, Mapping) and isinstance(under, dict):
            merge(under, value, replaced, here)
            continue
        below[key] = value
        if replaced is not None:
            replaced(below, here)


def overlay(below: Document, above: Document) -> None:
    """Put a document over another one, in place; the places of its values and its problems come along."""

    def move(_: dict[str, object], path: Path) -> None:
        for places, new in ((below.values, above.values), (below.keys, above.keys)):
            for replaced in [at for at in places if at[: len(path)] == path]:
                del places[replaced]
            places.update({at: place for at, place in new.items() if at[: len(path)] == path})

    if isinstance(below.data, dict) and isinstance(above.data, dict):
        merge(below.data, above.data, move)
        below.problems += above.problems


def lift(document: Document, path: Path) -> None:
    """Merge the mapping at `path` of the document over the whole document, with its places."""
    part = Document(file=document.file)
    inner = document.data
    for key in path:
        assert isinstance(inner, dict)
        inner = inner[str(key)]
    part.data = inner
    for places, lifted in ((document.values, part.values), (document.keys, part.keys)):
        lifted |= {at[len(path) :]: place for at, place in places.items() if at[: len(path)] == path}
    overlay(document, part)
