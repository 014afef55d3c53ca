"""What to type instead of a command that is not there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from batchtel.base.nearest import nearest
from batchtel.cli.table import paths

RENAMED: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("environments", "list"): ("config", "environments"),
    ("environments", "schema"): ("config", "schema"),
    ("environments", "show"): ("config", "environments"),
    ("catalogue",): ("jobs",),
    ("check",): ("config", "check"),
    ("down",): ("stack", "down"),
    ("env",): ("config", "variables"),
    ("environments",): ("config", "environments"),
    ("logs",): ("stack", "logs"),
    ("render",): ("config", "render"),
    ("status",): ("stack", "status"),
    ("up",): ("stack", "up"),
}
"""Former names of a command and its group -> the names now; the longest first."""


def unknown_command(path: str, arguments: Sequence[str], entries: Iterable[str]) -> str:
    """Return the message for a command that its group does not have.

    Args:
        path: the group, such as `batchtel stack`.
        arguments: the command's name and what follows it.
        entries: the names of the group's commands.
    """
    if path == "batchtel":
        for old, new in RENAMED.items():
            if tuple(arguments[: len(old)]) == old:
                typed = shlex.join(["batchtel", *new, *arguments[len(old) :]])
                return f"`batchtel {' '.join(old)}` is now `batchtel {' '.join(new)}`; type: {typed}"
    return f"{path} has no command {arguments[0]!r}; {_next_step(path, arguments[0], entries)}"


def _next_step(path: str, name: str, entries: Iterable[str]) -> str:
    elsewhere = [f"batchtel {path}" for path in paths() if path.split()[-1] == name]
    near = nearest(name, entries)
    if elsewhere:
        return f"did you mean `{'` or `'.join(elsewhere)}`?"
    return f"did you mean `{path} {near}`?" if near else f"`{path} --help` lists them"
