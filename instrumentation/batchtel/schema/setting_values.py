"""The types of settings, and the conversion of a variable's text to a value."""

from __future__ import annotations

import re
from typing import Final, Literal

SettingType = Literal["pattern", "level", "string", "boolean", "seconds", "milliseconds", "integer", "size", "pairs"]

LEVELS: Final = {"NOTSET": 0, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""Those of `logging`, which is not imported here."""

_LONGEST: Final = 7 * 86400.0
EXPECTED: Final = {
    "boolean": "true or false",
    "pattern": "a regular expression",
    "level": "one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
    "integer": "a whole number above 0",
    "size": "a whole number and KiB, MiB or GiB, such as 64MiB",
    "seconds": "a number of seconds above 0",
    "milliseconds": "a number of milliseconds above 0",
}
"""How a value of each kind is described where one is wrong."""


_UNITS: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def convert(kind: SettingType, text: str) -> object:
    """Return the value that `text` stands for.

    Raises:
        ValueError: It is none of the kind.
    """
    if kind == "pattern":
        try:
            if text:
                re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(text) from error
    if kind == "level":
        if text.upper() not in LEVELS and not text.isdecimal():
            raise ValueError(text)
        return text.upper()
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind == "integer":
        number = int(text)
        if number < 1:
            raise ValueError(text)
        return number
    if kind == "size":
        return _bytes(text)
    if kind in ("seconds", "milliseconds"):
        duration = float(text) / (1000 if kind == "milliseconds" else 1)
        if not 0 < duration < _LONGEST:
            raise ValueError(text)
        return duration
    return text


def _bytes(text: str) -> int:
    number, unit = text[:-3].strip(), text[-3:]
    if unit not in _UNITS or not number.isdecimal() or int(number) < 1:
        raise ValueError(text)
    return int(number) * _UNITS[unit]
