"""Times, durations and foreign text as people type and read them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


LATEST: Final = 4102444800.0
"""2100-01-01 in Unix time: stores answer no query of later times."""


_LAST: Final = 253_370_764_800.0
"""9999-01-01: what Python's calendar ends with."""


class MomentError(ValueError):
    """A text is neither a duration nor a time."""


def moment(text: str, now: float) -> float:
    """Return the Unix time of `2h`, which is 2 hours before `now`, or of an ISO 8601 time; local without an offset.

    Raises:
        MomentError: It is neither.
    """
    try:
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
            seconds = now - float(found[1]) * _UNITS[found[2]]
        else:
            # A time without an offset is one of this machine.
            seconds = datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        hint = "write 90m, 2h, 7d, or a time such as 2026-11-29T02:00"
        raise MomentError(f"{text!r} is neither a duration nor a time; {hint}") from None
    if not 0 <= seconds < LATEST:
        raise MomentError(
            f"{text!r} is not between 1970 and 2100; write 90m, 2h, 7d, or a time such as 2026-11-29T02:00"
        )
    return seconds


def between(since: str, until: str, now: float) -> tuple[float, float]:
    """Return two moments; `until` is LATEST if it is empty, for jobs whose clock is ahead.

    Raises:
        MomentError: One is neither a duration nor a time, or there is nothing between them.
    """
    first, last = moment(since, now), moment(until, now) if until else LATEST
    if last <= first:
        raise MomentError(f"until {until} is not after since {since}; 2h is 2 hours before now")
    return first, last


def clock(seconds: float, now: float) -> str:
    """Return a Unix time on this machine's clock: the time of day, with the date unless it is today's.

    It is - for what no calendar has. It has the offset where that is not today's: an hour that a clock change repeats
    is there twice.
    """
    if not 0 <= seconds < _LAST:
        return "-"
    at, today = (datetime.fromtimestamp(one).astimezone() for one in (seconds, now))
    text = at.strftime("%H:%M:%S" if at.date() == today.date() else "%Y-%m-%d %H:%M:%S")
    return text if at.utcoffset() == today.utcoffset() else f"{text} {at:%z}"


def span(seconds: float | None) -> str:
    """Return a duration in at most two units, such as `1h 4m`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    shown = [f"{count}{unit}" for count, unit in parts]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(shown[first : first + 2])


def size(number: float) -> str:
    """Return a number of bytes in powers of 1024, such as `1.5 MiB`."""
    power = min(max(int(abs(number)).bit_length() - 1, 0) // 10, len(_SIZES) - 1)
    return f"{number / 1024**power:,.1f} {_SIZES[power]}" if power else f"{number:.0f} B"


_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def line(text: str) -> str:
    """Return foreign text as one line that changes no terminal: without control characters and colours."""
    return _printable(text).strip()


def lines(text: str) -> list[str]:
    """Return foreign text as lines that change no terminal; spaces at their beginnings stay."""
    return [_printable(one).rstrip() for one in text.splitlines()]


_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
"""What terminals do not show: colours and movements (CSI), titles and links (OSC), as in ECMA-48."""


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in _SEQUENCE.sub("", text))
