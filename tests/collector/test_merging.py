"""One merge for every layer: what is put over what, what null does, and that nothing of the layers is changed."""

from __future__ import annotations

from batchtel_collector.environment import document
from batchtel_collector.environment.document import Path, Place
from batchtel_collector.environment.merging import merge, overlay


def test_mappings_are_merged_and_all_else_replaced() -> None:
    """A list is not added to, a mapping and a single value replace each other, and null replaces as any value."""
    below: dict[str, object] = {"a": {"b": 1, "c": 2}, "list": [1, 2], "gone": {"d": 3}, "flat": 4}
    above = {"a": {"c": None, "e": 5}, "list": [3], "gone": None, "flat": {"g": 6}}
    merge(below, above)
    assert below == {"a": {"b": 1, "c": None, "e": 5}, "list": [3], "gone": None, "flat": {"g": 6}}
    assert above == {"a": {"c": None, "e": 5}, "list": [3], "gone": None, "flat": {"g": 6}}


def test_what_is_replaced_is_named_with_its_path() -> None:
    """Once for each key that is set, with the mapping that has it now; a mapping that is merged is not named."""
    found: list[tuple[object, Path]] = []
    merge({"a": {"b": 1}}, {"a": {"b": 2}, "c": {"d": 3}}, lambda data, path: found.append((data[str(path[-1])], path)))
    assert found == [(2, ("a", "b")), ({"d": 3}, ("c",))]


def test_places_come_along_with_the_values() -> None:
    """What is replaced has the place of the upper layer, and none of what it replaces is left."""
    below = document.read("a: {b: 1, c: {d: 2}}\ne: 3\n", "below.yaml")
    overlay(below, document.read("\na: {c: 4}\n", "above.yaml"))
    assert below.data == {"a": {"b": 1, "c": 4}, "e": 3}
    assert below.values[("a", "c")] == Place(2, 8, "above.yaml")
    assert below.values[("a", "b")] == Place(1, 8, "below.yaml")
    assert ("a", "c", "d") not in below.values
    assert ("a", "c", "d") not in below.keys
