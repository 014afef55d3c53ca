"""Durations and sizes as people write them: `15s`, `35d`, `1GiB`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Units of a duration, in seconds."""

BYTES: Final = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""Units of a size, in bytes."""


def parse_duration(text: object) -> timedelta:
    """Parse a whole number and one unit of `SECONDS`; ValueError has what to write instead."""
    if isinstance(text, timedelta):
        return text
    number, unit = _split(
        text, SECONDS, 'a duration; write a whole number and a unit, such as "15s", "5m", "12h" or "35d"'
    )
    return timedelta(seconds=number * SECONDS[unit])


def parse_size(text: object) -> int:
    """Parse a whole number and one unit of `BYTES` and return bytes; ValueError has what to write instead."""
    number, unit = _split(text, BYTES, 'a size; write a whole number and a unit, such as "512MiB" or "1GiB"')
    return number * BYTES[unit]


def go_duration(duration: timedelta) -> str:
    """Write a duration for the collector, whose longest unit is the hour: `15s`, `840h`."""
    seconds = int(duration.total_seconds())
    for unit in ("h", "m"):
        if seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _split(text: object, units: dict[str, int], expected: str) -> tuple[int, str]:
    found = re.fullmatch(rf"([0-9]{{1,9}})({'|'.join(units)})", text) if isinstance(text, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError(f"is not {expected}")
    return int(found[1]), found[2]


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "description": "such as 15s or 35d", "pattern": "^[0-9]{1,9}[smhd]$"}),
]
"""A field that is written as `15s` and read as a timedelta."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "description": "such as 1GiB", "pattern": "^[0-9]{1,9}[MGT]iB$"}),
]
"""A field that is written as `1GiB` and read as a number of bytes."""
