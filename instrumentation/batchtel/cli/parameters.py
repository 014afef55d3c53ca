"""Types of options and arguments: what click's own would accept, and no command can use."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import click

LONGEST: Final = 31_536_000
"""Seconds of the longest wait, a year: a clock of the system cannot wait for any number."""


class Seconds(click.FloatRange):
    """A number of seconds up to `LONGEST`, above 0 or from a minimum on."""

    def __init__(self, minimum: float = 0) -> None:
        super().__init__(min=minimum, max=LONGEST, min_open=minimum == 0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; a comparison of click's lets `nan` through."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{number} is not in the range", param, ctx)
        return number


class FilePath(click.Path):
    """The path of a file or folder; empty text, as of a variable that is not set, is not the current folder."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("'' is empty", param, ctx)
        return super().convert(value, param, ctx)
