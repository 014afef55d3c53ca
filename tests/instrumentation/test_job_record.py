"""Log records of the job in OpenTelemetry's form, which no version of the SDK changes."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord

from batchtel.telemetry.job_record import JobRecord


def record(level: int, **extra: object) -> logging.LogRecord:
    """Return a record of the standard library with the fields `extra`."""
    made = logging.LogRecord("app", level, "job.py", 1, "text", None, None)
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(
    ("level", "number", "text"),
    [
        (5, 0, "Level 5"),
        (logging.DEBUG, 5, "DEBUG"),
        (logging.INFO, 9, "INFO"),
        (21, 10, "Level 21"),
        (25, 12, "Level 25"),
        (logging.WARNING, 13, "WARN"),
        (logging.ERROR, 17, "ERROR"),
        (49, 20, "Level 49"),
        (logging.CRITICAL, 21, "FATAL"),
        (53, 24, "Level 53"),
        (1000, 24, "Level 1000"),
    ],
)
def test_a_level_has_the_severity_of_the_data_model(level: int, number: int, text: str) -> None:
    """Four numbers for each level of the standard library; the names of two differ."""
    made = JobRecord.of(record(level))
    assert made.severity_number is not None
    assert (made.severity_number.value, made.severity_text) == (number, text)


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({}, None),
        ({"event.name": "old"}, "old"),
        ({"otel.event.name": "new"}, "new"),
        ({"event.name": "old", "otel.event.name": "new"}, "new"),
    ],
)
def test_the_name_of_an_event_is_no_attribute(extra: dict[str, object], name: str | None) -> None:
    """`otel.event.name` counts before `event.name`, which is deprecated."""
    made = JobRecord.of(record(logging.INFO, row=7, **extra))
    assert (made.event_name, made.attributes) == (name, {"row": 7})


class _Kept(LogRecordProcessor):
    def __init__(self) -> None:
        self.attributes: dict[str, object] = {}

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        made = log_record.log_record
        assert isinstance(made, JobRecord)
        made.restore()
        self.attributes = dict(made.attributes or {})

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


def test_lists_of_several_types_pass_the_sdk() -> None:
    """At each level, also beside what every version keeps; the SDK's own copies are tuples."""
    kept, provider = _Kept(), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(kept)
    mixed = [1, "a", None]
    values = {"rows": mixed, "nested": {"rows": mixed}, "lists": [mixed, [2]], "plain": [1, 2], "none": None}
    provider.get_logger("app").emit(JobRecord.of(record(logging.INFO, **values)))
    assert _lists(kept.attributes) == values


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
