"""The schema of classic dashboards, as the models of Grafana's foundation SDK have it, which are generated from it.

The SDK has no JSON Schema. Its models read a board and write it again: what is unknown is lost by that, what is
required is added, and the type of each value is in the annotations.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard

OPTIONAL = {"placement"}
"""Keys that the models write whatever they read, although the schema does not require them."""


def problems(board: dict[str, Any]) -> list[str]:
    """Return each part of a classic board that differs from the schema, with its place; types by the models' names."""
    register_default_plugins()
    try:
        return list(_problems(board, dashboard.Dashboard, ""))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"cannot be read: {error!r}"]


def _problems(content: dict[str, Any], kind: Any, place: str) -> Iterator[str]:
    model = kind.from_json(content)
    yield from _differences(content, json.loads(json.dumps(model, cls=JSONEncoder)), place)
    for name, inner in typing.get_type_hints(type(model)).items():
        yield from _mistyped(getattr(model, name), inner, f"{place}/{name}")


def _differences(before: Any, after: Any, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from (f"{place}/{key}: unknown" for key in before.keys() - after.keys())
        yield from (f"{place}/{key}: required" for key in after.keys() - before.keys() - OPTIONAL)
        for key in before.keys() & after.keys():
            yield from _differences(before[key], after[key], f"{place}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{place}/{index}")
    elif before != after:
        yield f"{place}: {before!r}, which can only be {after!r}"


def _mistyped(value: Any, hint: Any, place: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        found = [list(_mistyped(value, one, place)) for one in arguments]
        if [] not in found:
            # The alternative that was meant is the one that fails deepest within.
            yield from max(found, key=lambda some: max(problem.count("/") for problem in some))
    elif origin is list and isinstance(value, list):
        for index, one in enumerate(value):
            yield from _mistyped(one, arguments[0], f"{place}/{index}")
    elif origin is dict and isinstance(value, dict):
        for key, one in value.items():
            yield from _mistyped(one, arguments[1], f"{place}/{key}")
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{place}: {value!r} is none of {arguments}"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [one.value for one in hint] and value not in list(hint):
            yield f"{place}: {value!r} is none of {[one.value for one in hint]}"
    elif _is_any_of(value, hint):
        return
    elif isinstance(value, dict) and hasattr(hint, "from_json"):
        # The models leave what is below a row, and links of panels, as it is.
        yield from _problems(value, hint, place)
    elif not isinstance(value, origin or hint) or (hint is int and isinstance(value, bool)):
        yield f"{place}: {value!r} is no {getattr(hint, '__name__', hint)}"
    elif hasattr(type(value), "from_json"):
        for name, inner in typing.get_type_hints(type(value)).items():
            yield from _mistyped(getattr(value, name), inner, f"{place}/{name}")


def _is_any_of(value: Any, hint: Any) -> bool:
    """Return whether any value is allowed, or this is a whole number where one with a fraction may be."""
    is_whole = hint is float and isinstance(value, int) and not isinstance(value, bool)
    return is_whole or (hint in (Any, object) and not hasattr(type(value), "from_json"))
