"""Validation messages: what is wrong, what was given, what to write."""

from __future__ import annotations

import json
import typing
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from batchtel.base.nearest import nearest
from batchtel.redact import addresses
from batchtel.redact.patterns import Redaction
from batchtel_collector.environment.document import Path, dotted
from batchtel_collector.environment.values import is_sensitive

_REDACTION: Final = Redaction()


def message(detail: Any, model: type[BaseModel]) -> str:
    """Turn one entry of `ValidationError.errors()` into one line for the user."""
    path: Path = detail["loc"]
    if path[-1:] == ("[key]",):
        return f"{dotted(path[:-2])}: {_shown(path[-2])} {detail['ctx']['error']}"
    name, given, kind = dotted(path), _shown(detail["input"]), detail["type"]
    if any(is_sensitive(str(part)) for part in path):
        given = "the value (not shown)"
    if kind == "missing":
        return f"{name} is missing; write {path[-1]}: {_example(model, path)}"
    if kind == "extra_forbidden":
        return f"{name} is not a key of an environment{_near(str(path[-1]), _section(model, path[:-1]))}"
    if kind == "value_error":
        reason = str(detail["ctx"]["error"])
        about_parts = isinstance(detail["input"], dict)
        if not about_parts and "write " not in reason and "remove it" not in reason:
            reason = f'{reason}; write for example "{_example(model, path)}"'
        return (f"{name}: {reason}" if name else reason) if about_parts else f"{name}: {given} {reason}"
    if kind == "literal_error":
        choices = _choices(_field(model, path).annotation)
        near = nearest(str(detail["input"]), choices)
        hint = f" (did you mean {near}?)" if near else ""
        return f"{name}: {given} is not a choice{hint}; write {' or '.join(choices)}"
    example = (
        f'"{given}" in quotes' if isinstance(path[-1], int) else f"for example {path[-1]}: {_example(model, path)}"
    )
    return f"{name}: {given} is not {_expected(kind, detail)}; write {example}"


def _choices(annotation: Any) -> list[str]:
    """Return the texts of a Literal, also of one within a list."""
    arguments = typing.get_args(annotation)
    texts = [argument for argument in arguments if isinstance(argument, str)]
    return texts or [text for argument in arguments for text in _choices(argument)]


def _expected(kind: str, detail: Any) -> str:
    if kind == "greater_than_equal":
        return f"{detail['ctx']['ge']} or more"
    return {
        "string_type": "text",
        "int_type": "a whole number",
        "bool_type": "true or false",
        "too_short": "long enough",
        "list_type": "a list",
        "model_type": "a group of keys",
        "model_attributes_type": "a group of keys",
        "dict_type": "a group of keys",
    }.get(kind, f"valid ({detail['msg']})")


def _shown(value: object) -> str:
    """Return a value of the file as it may stand in a message: without credentials, and not too long."""
    if isinstance(value, str):
        value = addresses.shown(_REDACTION.text(value))
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(value)
    text = text if isinstance(value, str) else _REDACTION.text(text)
    return text if len(text) <= 80 else text[:77] + "..."


def _near(key: str, section: type[BaseModel]) -> str:
    keys = list(section.model_fields)
    near = nearest(key, keys)
    return f" (did you mean {near}?)" if near else f"; keys here: {', '.join(keys)}"


def _section(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """Return the group of keys at `path`, or the whole environment if there is none."""
    found: Any = model
    for part in path:
        inner = found.model_fields.get(str(part)) if _is_section(found) else None
        found = _inside(inner.annotation) if inner is not None else _values_of(found)
    return found if _is_section(found) else model


def _inside(annotation: Any) -> Any:
    """Return `Section` of `Section | None`."""
    choices = [choice for choice in typing.get_args(annotation) if choice is not type(None)]
    is_optional = type(None) in typing.get_args(annotation)
    return choices[0] if is_optional else annotation


def _values_of(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    return arguments[1] if typing.get_origin(annotation) is dict else None


def _is_section(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _field(model: type[BaseModel], path: Path) -> FieldInfo:
    """Return the field at `path`, or the nearest one above that has a name of its own."""
    while len(path) > 1 and str(path[-1]) not in _section(model, path[:-1]).model_fields:
        path = path[:-1]
    return _section(model, path[:-1]).model_fields[str(path[-1])]


def _example(model: type[BaseModel], path: Path) -> str:
    examples = _field(model, path).examples
    assert examples
    return str(examples[0])
