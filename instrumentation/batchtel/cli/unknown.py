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

OF_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "config env": ("config variables", "config environments"),
    "config list": ("config environments",),
    "config show": ("config environments",),
    "config validate": ("config check",),
    "jobs create": ("jobs init",),
    "jobs new": ("jobs init",),
    "jobs validate": ("jobs check",),
    "ps": ("stack status",),
    "spool flush": ("spool send",),
    "spool ls": ("spool list",),
    "start": ("stack up",),
    "stack ps": ("stack status",),
    "stack start": ("stack up",),
    "stack stop": ("stack down",),
    "stop": ("stack down",),
}
"""Commands as other tools name them -> ours."""


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
    typed = f"{path} {name}".removeprefix("batchtel ")
    found = OF_OTHERS.get(typed) or [path for path in paths() if path.split()[-1] == name]
    elsewhere = [f"batchtel {command}" for command in found]
    near = nearest(name, entries)
    if elsewhere:
        return f"did you mean `{'` or `'.join(elsewhere)}`?"
    return f"did you mean `{path} {near}`?" if near else f"`{path} --help` lists them"
