"""Log records of the standard library, converted to what OTLP can hold, whatever the job logs.

The SDK drops a value of an unsupported type with a warning, a value that cannot be encoded loses its record,
and a structure that contains itself ends in a RecursionError.
"""

from __future__ import annotations

import enum
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from batchtel.base.values import cut, exception_attributes, shown_text, text_of
from batchtel.schema.limits import NAME_LIMIT

_DEPTH: Final = 6
"""Levels of lists and mappings in each other that are kept."""

_ITEMS: Final = 100
"""Items of a list or a mapping that are kept."""

_ALL_ITEMS: Final = 1000
"""Items of one value in all: a list of itself, a hundred times, has 10 to the 12th power within six levels."""

STANDARD: Final = frozenset(
    [
        "name",
        "msg",
        "args",
        "levelname",
        "levelno",
        "pathname",
        "filename",
        "module",
        "exc_info",
        "exc_text",
        "stack_info",
        "lineno",
        "funcName",
        "created",
        "msecs",
        "relativeCreated",
        "thread",
        "threadName",
        "processName",
        "process",
        "taskName",
        "message",
        "asctime",
    ]
)
"""Attributes of each log record of the standard library; all others are the job's own."""

_EXTRA_LIMIT: Final = 100
"""Fields of the job's own that a log record keeps; the SDK's limit of 128 attributes is for ours, too."""

EVENT_NAMES: Final = ("otel.event.name", "event.name")
"""Fields that name an event, in the order in which they count."""

_UNCHANGING: Final = frozenset((str, int, float, bool, type(None)))


def sendable(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record with the text, the extra fields and the exception of `record`, as OTLP can hold them.

    A plain one, whatever class the job has set by `logging.setLogRecordFactory`: its text is final.
    """
    ready = logging.LogRecord.__new__(logging.LogRecord)
    fields = vars(ready)
    given = vars(record)
    fields.update((key, given[key]) for key in STANDARD if key in given)
    for key in islice((key for key in given if key not in STANDARD), _EXTRA_LIMIT):
        # Of an empty key the SDK would warn on stderr, as of more attributes than its limit.
        fields[cut(text_of(key), NAME_LIMIT) or "extra"] = log_value(given[key])
    fields["msg"], fields["args"] = _text(record), None
    fields["name"], fields["levelname"] = text_of(record.name), text_of(record.levelname)
    fields["exc_info"] = fields["exc_text"] = None
    for key in EVENT_NAMES:
        if key in fields:
            fields[key] = text_of(fields[key])
    information = record.exc_info
    if isinstance(information, tuple) and len(information) == 3 and isinstance(information[1], BaseException):
        fields.update(exception_attributes(information[1], information[2]))
    return ready


def can_wait(record: logging.LogRecord) -> bool:
    """Whether `record` is the same later, and keeps nothing of the job alive: text and arguments that cannot change."""
    arguments = record.args
    return (
        type(record.msg) is str
        and record.exc_info is None
        and (not arguments or (type(arguments) is tuple and all(type(item) in _UNCHANGING for item in arguments)))
        and vars(record).keys() <= STANDARD
    )


def log_value(value: object) -> Any:
    """Return `value` as a log record can hold it: scalars, text, and lists and mappings of them; anything else as text.

    What is nested deeper than six levels, as in a structure that contains itself, is text, too.
    """
    try:
        return _log_value(value, _DEPTH, iter(range(_ALL_ITEMS)))
    except Exception:
        # A mapping or a list of the job's own, which raises where it is read.
        return text_of(value)


def _log_value(value: object, depth: int, left: Iterator[int]) -> Any:
    if value is None or (isinstance(value, bool | float) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        # Also the integers of a class of the job's; an enumeration has a name.
        number = int(value)
        return number if -(2**63) <= number < 2**63 else text_of(number)
    if depth and isinstance(value, Mapping):
        items = zip(islice(value.items(), _ITEMS), left, strict=False)
        return {text_of(key): _log_value(item, depth - 1, left) for (key, item), _ in items}
    if depth and isinstance(value, list | tuple | set | frozenset | range | deque):
        return [_log_value(item, depth - 1, left) for item, _ in zip(islice(value, _ITEMS), left, strict=False)]
    return cut(shown_text(value))


def _text(record: logging.LogRecord) -> str:
    """Return the text of `record`; where its arguments do not fit, which logging reports itself, both of them."""
    try:
        # Where a handler has made the text, it is not made again: that may be code of the job's.
        made = vars(record).get("message")
        return made if type(made) is str else text_of(record.getMessage())
    except Exception:
        return f"{text_of(record.msg)} {text_of(record.args)}" if record.args else text_of(record.msg)
