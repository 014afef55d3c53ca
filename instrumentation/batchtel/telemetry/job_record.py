"""A log record of the job as OpenTelemetry's, the same with each version of the SDK.

The handler of opentelemetry-instrumentation-logging differs between versions: the older ones write CRITICAL where the
newer ones write FATAL, and leave the name of an event among the attributes. Its import costs wrapt and asyncio, too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current

from batchtel.base import pristine
from batchtel.telemetry.log_values import EVENT_NAMES, STANDARD

_SEVERITY_TEXTS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}
"""Levels of the standard library that have another name in OpenTelemetry
(https://opentelemetry.io/docs/specs/otel/logs/data-model/#displaying-severity)."""

_IDENTITY: Final = ("batch.job.", "batch.run.", "batch.step.", "batch.status")
"""Beginnings of the names of attributes that every event needs."""


class Event(LogRecord):
    """An event of batchtel; `given` are its attributes as they were before the SDK, if it is to apply limits."""

    given: Mapping[str, Any] = MappingProxyType({})

    def restore(self) -> None:
        """Put back what the limits of variables must not cut or drop: names and ids of run and step, and the end."""
        kept = {key: value for key, value in self.given.items() if key.startswith(_IDENTITY)}
        self.attributes = {**(self.attributes or {}), **kept}


class JobRecord(LogRecord):
    """A log record of the job; `given` are its attributes as they were before the SDK."""

    given: Mapping[str, Any]

    @classmethod
    def of(cls, record: logging.LogRecord) -> JobRecord:
        """Return the OpenTelemetry form of `record`, whose text is final and whose values OTLP has."""
        attributes = {key: value for key, value in vars(record).items() if key not in STANDARD}
        event_names = [name for key in EVENT_NAMES if (name := attributes.pop(key, None)) is not None]
        made = cls(
            timestamp=int(record.created * 1e9),
            observed_timestamp=pristine.time_ns(),
            context=get_current() or None,
            severity_text=_SEVERITY_TEXTS.get(record.levelname, record.levelname),
            severity_number=_severity(record.levelno),
            body=record.getMessage(),
            attributes=attributes,
            event_name=event_names[0] if event_names else None,
        )
        made.given = attributes
        return made

    def restore(self) -> None:
        """Put back the lists of several types that the SDK has dropped, as its older versions do."""
        kept = self.attributes or {}
        lost = {
            key: value
            for key, value in self.given.items()
            if isinstance(value, list | dict) and key in kept and _is_incomplete(value, kept[key])
        }
        if lost:
            # Not into the SDK's own mapping, which would drop them again.
            self.attributes = {**kept, **lost}


def _is_incomplete(value: Any, kept: Any) -> bool:
    """Whether `kept`, the SDK's copy of `value`, lacks a part of it at any level."""
    if isinstance(value, dict):
        return not isinstance(kept, Mapping) or any(
            _is_incomplete(item, kept.get(key)) for key, item in value.items() if key
        )
    if isinstance(value, list):
        return not isinstance(kept, Sequence) or any(map(_is_incomplete, value, kept))
    return kept is None and value is not None


def _severity(level: int) -> SeverityNumber:
    """Return the number of a level of the standard library: DEBUG of 10, DEBUG4 of 13 to 19, INFO of 20 and so on."""
    if level < logging.DEBUG:
        return SeverityNumber.UNSPECIFIED
    tens, ones = divmod(min(int(level), 53), 10)
    return SeverityNumber(4 * tens + 1 + min(ones, 3))
