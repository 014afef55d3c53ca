"""Long lines of a rendered configuration, written on several ones that YAML reads as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

WIDTH: Final = 160
"""Characters of a line; only what has no space to break at is longer."""

_BLOCK: Final = re.compile(r"(^|[ :])([>|])[+-]?$")
_SPACES_AND_STRINGS: Final = re.compile(r'"(?:\\.|[^"\\])*"| ')
_CLAUSE: Final = re.compile(" (where|and|or) ")


def folded(text: str) -> str:
    """Return YAML text with the same values, whose lines are at most `WIDTH` characters where they can be broken.

    A break is a space outside double quotes. In a plain scalar, a flow sequence or a folded block (`>-`) a line break
    has the value of that space. Literal blocks (`|`) and lines with a comment stay as they are.
    """
    lines: list[str] = []
    block: tuple[int, str] | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block[0]:
            block = None
        lines += [line] if block is not None and block[1] == "|" else _pieces(line, indent, in_block=block is not None)
        begins = _BLOCK.search(line) if block is None else None
        if begins is not None:
            block = (indent, begins[2])
    return "\n".join(lines) + "\n"


def _pieces(line: str, indent: int, in_block: bool) -> Iterator[str]:
    """Yield the lines that a line becomes.

    The further ones of a folded block must not be indented more, and those of `- key: value` more than the key.
    """
    if " #" in line or line.lstrip().startswith("#"):
        yield line
        return
    further = " " * (indent if in_block else indent + 4)
    while len(line) > WIDTH:
        breaks = [found.start() for found in _SPACES_AND_STRINGS.finditer(line) if found[0] == " "]
        after = [place for place in breaks if place > len(further) and line[place - 1] not in "-:"]
        if not after:
            break
        fitting = [place for place in after if place <= WIDTH] or after[:1]
        clauses = [place for place in fitting if place > WIDTH // 2 and _CLAUSE.match(line, place)]
        place = max(clauses or fitting)
        yield line[:place]
        line = further + line[place + 1 :]
    yield line
