"""Values of users - counts, attributes, exceptions - converted to what can be exported.

One value that the encoder rejects (an int beyond 64 bits, text with a lone surrogate, as in file names that are not
UTF-8) would lose its whole batch of spans or log records.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from itertools import islice
from types import TracebackType
from typing import Final, SupportsIndex

from batchtel.base.guard import warn_once
from batchtel.schema.limits import CUT_MARKER, VALUE_LIMIT

AttributeValue = str | bool | int | float | list[str] | list[bool] | list[int] | list[float]

_LIST_LIMIT: Final = 100
_FRAMES: Final = 64
"""Innermost frames of a stack trace: more text than a span keeps of it."""
_LONGEST_WORD: Final = 4096
_COUNT_LIMIT: Final = 2**53
"""Beyond it a float, which is what Prometheus stores, no longer holds every whole number."""


def text_of(value: object) -> str:
    """Return `value` as text that UTF-8 can hold; never raises, whatever `value.__str__` does."""
    try:
        text = str(value)
    except Exception:
        # As in the interpreter's own tracebacks.
        return f"<{type(value).__name__} str() failed>"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def shown_text(value: object) -> str:
    """Return `value` as the text of an attribute: bytes decoded, escaped where they are no UTF-8."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else text_of(value)


def cut(text: str, limit: int = VALUE_LIMIT) -> str:
    """Return `text` in at most `limit` characters and a marker; its end stays, where a stack trace names the error.

    The end begins with a whole word: the rest of one may be half a password, which no pattern recognises.
    """
    if len(text) <= limit:
        return text
    end = text[-(limit - limit // 2) :]
    return text[: limit // 2] + CUT_MARKER + end[_word_length(end) :]


def _word_length(text: str) -> int:
    """Return how many characters the word has that `text` begins with; 0 where it has no end in reach."""
    return next((length for length, character in enumerate(text[:_LONGEST_WORD]) if character.isspace()), 0)


def attribute_value(value: object) -> AttributeValue:
    """Make `value` an attribute value: scalars and lists of text stay, anything else becomes text, cut where long."""
    if isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        with contextlib.suppress(Exception):
            return [cut(shown_text(item)) for item in islice(value, _LIST_LIMIT)]
    return cut(shown_text(value))


def count_of(value: object, what: str) -> int | None:
    """Return `value` as a number of records; None, reported once, for what is not a whole number 0 or more."""
    count = _whole(value)
    if count is not None and 0 <= count <= _COUNT_LIMIT:
        return count
    shown = text_of(value)
    warn_once(f"count {what}", "%s=%.60s is not a whole number of records, 0 or more; it is not counted", what, shown)
    return None


def _whole(value: object) -> int | None:
    if type(value) is int:
        return value
    # Not only int: decimals, and the numbers of numpy, too.
    try:
        if isinstance(value, SupportsIndex):
            return value.__index__()
        if isinstance(value, str | bytes | bytearray):
            return None
        number = float(value)  # type: ignore[arg-type]  # asked of anything
        return int(number) if number.is_integer() else None
    except Exception:
        return None


def whole_number(value: object, what: str) -> int | None:
    """Return `value` as a whole number 0 or more; None, reported once, for anything else."""
    number = _whole(value)
    if number is None or number < 0:
        warn_once(f"number {what}", "%s=%.60s is not a whole number; it is not used", what, text_of(value))
        return None
    return number


def number_of(value: object, what: str) -> float | None:
    """Return `value` as a number; None, reported once, for anything else."""
    with contextlib.suppress(Exception):
        number = float(value)  # type: ignore[arg-type]  # asked of anything
        # NaN differs from itself; `math` is a library to load for that alone.
        if not isinstance(value, str) and number == number:
            return number
    warn_once(f"number {what}", "%s=%.60s is not a number; it is not used", what, text_of(value))
    return None


def is_given(value: object) -> bool:
    """Whether an argument was given: neither None nor empty text; asked of anything, also of what has no truth."""
    return value is not None and not (isinstance(value, str) and not value)


def score_of(value: object) -> float | None:
    """Return `value` as a score from 0 to 1; None, reported once, for anything else."""
    try:
        score = float(value)  # type: ignore[arg-type]  # asked of anything
    except Exception:
        score = -1.0
    if not isinstance(value, str) and 0 <= score <= 1:
        return score
    shown = text_of(value)
    warn_once("quality", "data-quality score %.60s is not between 0 and 1; it is not recorded", shown)
    return None


def exception_attributes(exception: BaseException | None, trace: TracebackType | None = None) -> dict[str, str]:
    """Describe `exception` by the semantic conventions, with `trace` or else its own traceback; empty for None.

    https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/
    """
    if exception is None:
        return {}
    kind = type(exception)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    described = {
        "exception.type": text_of(module + kind.__qualname__),
        "exception.message": cut(text_of(exception)),
    }
    trace = trace or exception.__traceback__
    if trace is not None:
        described["exception.stacktrace"] = cut(text_of(_stack_trace(exception, trace)))
    return described


def _stack_trace(exception: BaseException, trace: TracebackType) -> str:
    """Return the stack trace with its innermost frames: each level of a recursion that fails has all those below it."""
    frames, at = 0, trace.tb_next
    while at is not None:
        frames, at = frames + 1, at.tb_next
    left_out, innermost = max(0, frames + 1 - _FRAMES), trace
    for _ in range(left_out):
        innermost = innermost.tb_next or innermost
    note = f"[{left_out} outer frames are left out]\n" if left_out else ""
    try:
        return note + "".join(traceback.format_exception(type(exception), exception, innermost, limit=-_FRAMES))
    except Exception:
        # An exception whose own attributes raise, or that is among its own causes a thousand times.
        return (
            note
            + "".join(traceback.format_tb(innermost, limit=_FRAMES))
            + f"{type(exception).__name__}: {text_of(exception)}\n"
        )
