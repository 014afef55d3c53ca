"""The answers of stores, the same for all products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Value = str | bool | int | float
"""Value of an attribute; a list is its JSON text."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer, with its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that fires: its name, all labels and annotations."""

    alert: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One log record.

    Attributes:
        time: Unix time in nanoseconds.
        line: its text.
        fields: every attribute of record and resource as text, by its OpenTelemetry name, such as batch.run.id; and
            event_name, trace_id, span_id and severity_text.
    """

    time: int
    line: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """One span: 32 and 16 hexadecimal digits of ids ("" for no parent), Unix nanoseconds, and its attributes."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: Mapping[str, Value]
