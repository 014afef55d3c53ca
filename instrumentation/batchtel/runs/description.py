"""The description of a run or a step by its code: its attributes, inputs and outputs, that it was skipped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from batchtel.base.guard import warn_once
from batchtel.base.outcome import Outcome
from batchtel.base.values import AttributeValue, attribute_value, cut, text_of
from batchtel.schema.limits import ATTRIBUTE_LIMIT, SOURCE_LENGTH, SOURCE_LIMIT
from batchtel.schema.signals import ATTRIBUTES

_OWN_KEYS: Final = frozenset(attribute.key for attribute in ATTRIBUTES)


class Description:
    """The description of a run or a step; all of it goes to its span and its finished event, none becomes a label."""

    def __init__(self) -> None:
        self._attributes: dict[str, AttributeValue] = {}
        # Dictionaries keep the order of the calls, and each name once.
        self._inputs: dict[str, None] = {}
        self._outputs: dict[str, None] = {}
        self._ending = ("", "")

    def set(self, attributes: Mapping[str, object] | None, more: Mapping[str, object]) -> None:
        """Put attributes of the user's own, at most 64; of `attributes`, which may be anything, a mapping is used."""
        self.put([*_pairs(attributes), *more.items()], "set()")

    def put(self, attributes: Iterable[tuple[object, object]], call: str) -> None:
        """Put attributes on the span and the finished event; warnings about them name `call`, where they are from."""
        for given, value in attributes:
            key = text_of(given)
            if key in _OWN_KEYS:
                warn_once(f"set:{key}", "%s: %s is batchtel's own attribute; it is not changed", call, key)
            elif len(self._attributes) >= ATTRIBUTE_LIMIT and key not in self._attributes:
                left_out = "%s: a run or step keeps %d attributes; %.60s is left out"
                warn_once("set", left_out, call, ATTRIBUTE_LIMIT, key)
            else:
                self._attributes[key] = attribute_value(value)

    def discard(self, keys: Iterable[str]) -> None:
        """Remove attributes that were put before."""
        for key in keys:
            self._attributes.pop(key, None)

    def inputs(self, names: tuple[object, ...]) -> None:
        """Keep the names of what is read, at most 100, each once and cut at 256 characters."""
        _name("inputs", self._inputs, names)

    def outputs(self, names: tuple[object, ...]) -> None:
        """Keep the names of what is written, in the same way."""
        _name("outputs", self._outputs, names)

    def ends_as(self, status: str, reason: object) -> None:
        """Keep that it ends as `skipped` or as `timeout`, and why."""
        self._ending = (status, cut(text_of(reason)))

    def ending(self, outcome: Outcome) -> Outcome:
        """Return how it ended by its description: a skipped one that failed is a failure, a lost one stays lost."""
        status, reason = self._ending
        if status == "skipped" and outcome.status == "success":
            return outcome._replace(status=status, reason=reason)
        if status == "timeout" and outcome.status != "lost":
            return outcome._replace(status=status, error_type="", reason=reason or outcome.reason)
        return outcome

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the description."""
        names = {"batch.inputs": list(self._inputs), "batch.outputs": list(self._outputs)}
        return {**self._attributes, **{key: value for key, value in names.items() if value}}


def _pairs(attributes: object) -> list[tuple[object, object]]:
    if attributes is None:
        return []
    try:
        return list(attributes.items()) if isinstance(attributes, Mapping) else list(dict(attributes).items())  # type: ignore[call-overload]  # asked of anything
    except Exception:
        shown = text_of(attributes)
        warn_once("set:type", "set(): %.60s is not a mapping; write set(rows=3) or set({'my.rows': 3})", shown)
        return []


def _name(what: str, kept: dict[str, None], names: tuple[object, ...]) -> None:
    for given in names:
        text: object = given
        with contextlib.suppress(Exception):
            text = os.fspath(given) if isinstance(given, os.PathLike) else given
        if not isinstance(text, str) or not text:
            shown = text_of(given)
            warn_once(f"{what}:type", "%s(): %.60s is not a name; give each name as text of its own", what, shown)
            continue
        name = cut(text_of(text), SOURCE_LENGTH)
        if len(kept) >= SOURCE_LIMIT and name not in kept:
            warn_once(
                f"{what}:limit", "%s(): a run or step keeps %d names; %.60s is left out", what, SOURCE_LIMIT, name
            )
        else:
            kept[name] = None
