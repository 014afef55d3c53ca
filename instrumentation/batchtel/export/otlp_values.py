"""Attributes and their values as OTLP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes.

    Raises:
        TypeError: A value is none that OTLP has.
    """
    return [key_value(key, value) for key, value in attributes.items()]


def key_value(key: str, value: Any) -> KeyValue:
    """Return one attribute.

    Raises:
        TypeError: The value is none that OTLP has.
    """
    return KeyValue(key=key, value=any_value(value))


def any_value(value: Any) -> AnyValue:
    """Return text, a truth, a number, bytes, a sequence or a mapping of such values, or None, as a value.

    Raises:
        TypeError: OTLP has no such value.
    """
    if value is None:
        return AnyValue()
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, Sequence):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    if isinstance(value, Mapping):
        return AnyValue(kvlist_value=KeyValueList(values=[key_value(str(key), value[key]) for key in value]))
    raise TypeError(f"{type(value).__name__} is no type of OTLP")
