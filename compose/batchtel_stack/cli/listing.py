"""Rows of texts in columns that a narrow terminal does not remove: tables of rich cut all columns alike."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

LEAST: Final = 20
"""Columns that an error has at least: on a narrower terminal lines are longer than it, and no column is left out."""

_BETWEEN: Final = 3
_LONG: Final = 120


class Listing:
    """Rows of texts, with a header if the columns have names.

    A last column called ERROR has what the others leave of a terminal; anywhere else nothing is cut.
    """

    def __init__(self, *columns: str) -> None:
        self._rows = [[Text(column, style="bold") for column in columns]] if any(columns) else []
        self._cut = columns[-1] == "ERROR"

    def add_row(self, *cells: str | Text) -> None:
        """Add a row with a text for each column, without line ends."""
        self._rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [_width([cell.cell_len for cell in column]) for column in zip(*self._rows, strict=True)]
        left = max(console.width - sum(widths[:-1]) - _BETWEEN * len(widths[:-1]), LEAST)
        for *others, last in self._rows:
            row = Text(no_wrap=True, overflow="ignore")
            for cell, width in zip(others, widths, strict=False):
                row.append_text(cell).append(" " * (max(width - cell.cell_len, 0) + _BETWEEN))
            if self._cut and console.is_terminal:
                last.truncate(left, overflow="ellipsis")
            row.append_text(last)
            row.rstrip()
            yield row


def _width(lengths: list[int]) -> int:
    """Return the width of a column; a name or id that is much longer moves its own row only."""
    return max((length for length in lengths if length <= _LONG), default=min(lengths, default=0))
