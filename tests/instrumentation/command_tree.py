"""The tree of `batchtel`'s commands, as a user reaches them."""

from __future__ import annotations

import click

from batchtel.cli.main import main


def _below(group: click.Group, path: str) -> dict[str, click.Command]:
    context, found = click.Context(group), {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[f"{path} {name}".strip()] = command
        if isinstance(command, click.Group):
            found |= _below(command, f"{path} {name}".strip())
    return found


ALL = _below(main, "")
"""What is typed after `batchtel` -> the command or group."""

GROUPS = {path: command for path, command in ALL.items() if isinstance(command, click.Group)}
LEAVES = {path: command for path, command in ALL.items() if path not in GROUPS}
