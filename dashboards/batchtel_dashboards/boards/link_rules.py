"""Rules that hold for the links of a board: they lead to boards and variables that exist, and encode what they pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final

_BOARD: Final = re.compile(r"^/d/([\w-]+)(?:\?(.*))?$")
_PASSED: Final = re.compile(r"\$\{(?P<name>\w+)(?P<path>[^:}]*)(?::(?P<format>[^}]*))?\}|\$(?P<bare>\w+)")
_ENCODED: Final = frozenset({"percentencode", "queryparam"})
_OWN: Final = frozenset({"__url_time_range", "__all_variables", "__from", "__to", "__interval", "__interval_ms"})
"""Variables of Grafana that have nothing to encode."""


def of_link(url: str, boards: Mapping[str, Set[str]]) -> Iterator[str]:
    """Return what is wrong in a URL, each as the end of `link 'x' ...`; `boards` are uids and their variables."""
    yield from _not_encoded(url)
    if not url.startswith("/d/"):
        return
    match = _BOARD.match(url)
    if match is None or match[1] not in boards:
        yield f"leads to a board that does not exist: {url}"
        return
    for part in (match[2] or "").split("&"):
        name = part.partition("=")[0].removeprefix("var-") if part.startswith("var-") else ""
        name = name or next(iter(re.findall(r"^\$\{(\w+):queryparam\}$", part)), "")
        if name and name not in boards[match[1]]:
            yield f"sets the variable {name}, which {match[1]} does not have"


def _not_encoded(url: str) -> Iterator[str]:
    for match in _PASSED.finditer(url):
        name = match["name"] or match["bare"]
        # A value that is the whole address is no part of one.
        if match.start() and name not in _OWN and match["format"] not in _ENCODED:
            written: Any = f"{name}{match['path'] or ''}"
            yield f"puts {match[0]} into a URL without an encoding; write ${{{written}:percentencode}}"
