"""`--help` of every command and group has what people look for there."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from batchtel.cli.main import Group, main
from batchtel.cli.usage import examples
from tests.instrumentation.command_tree import ALL

METAVARS = re.compile(r"(?:-- )?\[?[A-Z]{2,}(?:[=|][A-Z]{2,})*\]?(?:\.\.\.)?(?: \[[A-Z]{2,}\]\.\.\.)?")
"""Metavars: names in capital letters, such as NAME, NAME|FILE, KEY=VALUE, [PROGRAM]..., -- COMMAND [ARGUMENT]..."""

OF_CLICK = {"TEXT", "INTEGER", "FLOAT", "BOOLEAN", "PATH", "DIRECTORY", "FILENAME", "UUID", "RANGE"}
"""What click writes for an option that has no metavar of its own."""

EVERY = {"": main, **ALL}


def help_of(path: str) -> str:
    """Return the help as it is printed in a terminal of 80 columns."""
    result = CliRunner().invoke(main, [*path.split(), "--help"], terminal_width=80)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("path", EVERY)
def test_has_an_example_of_itself(path: str) -> None:
    """At least one, each a command that exists."""
    found = examples(EVERY[path])
    start = f"batchtel {path}".strip()
    assert any(re.search(rf"\b{start}\b", line) for line in found), found
    for line in found:
        typed = line.partition("batchtel ")[2].split()
        assert typed[0] in ALL or " ".join(typed[:2]) in ALL, line
        if typed[0] in ALL and isinstance(ALL[typed[0]], click.Group):
            assert " ".join(typed[:2]) in ALL, line
    assert all(line in help_of(path) for line in found)


@pytest.mark.parametrize("path", EVERY)
def test_lists_its_exit_codes(path: str) -> None:
    """In its last part, each with its meaning; 0 is the first, but of `run`, which has the command's own."""
    text = " ".join(help_of(path).partition("Exit codes: ")[2].split())
    assert re.match(r"0 \w+|COMMAND's own", text), text


@pytest.mark.parametrize("path", EVERY)
def test_metavars_are_names(path: str) -> None:
    """Of options and arguments: a name of what is written there, or the choices; never a type of click's."""
    context = click.Context(EVERY[path])
    for parameter in EVERY[path].params:
        if isinstance(parameter, click.Option) and parameter.is_flag:
            continue
        metavar = parameter.make_metavar(context)
        if isinstance(parameter, click.Option) and isinstance(parameter.type, click.Choice):
            assert re.fullmatch(r"\[[\w|-]+\]", metavar), metavar
            continue
        assert METAVARS.fullmatch(metavar), metavar
        assert not OF_CLICK & set(re.findall("[A-Z]+", metavar)), metavar


@pytest.mark.parametrize("path", EVERY)
def test_every_option_is_described(path: str) -> None:
    """In a sentence."""
    for option in EVERY[path].params:
        if isinstance(option, click.Option):
            assert re.fullmatch(r"[A-Z].*\.", option.help or ""), option.opts


@pytest.mark.parametrize("path", [path for path, command in EVERY.items() if isinstance(command, Group)])
def test_a_group_lists_its_commands_whole(path: str) -> None:
    """Each on one line, with its whole sentence: nothing is cut or wrapped at 80 columns."""
    group = EVERY[path]
    assert isinstance(group, Group)
    assert help_of(path).startswith(f"Usage: {f'batchtel {path}'.strip()} [OPTIONS] COMMAND [ARGUMENT]...\n")
    lines = [" ".join(line.split()) for line in help_of(path).splitlines()]
    for name, entry in group.entries.items():
        assert f"{name} {entry.text}" in lines
        assert re.fullmatch(r"[A-Z].*\.", entry.text)


@pytest.mark.parametrize("path", ALL)
def test_a_name_is_the_same_everywhere(path: str) -> None:
    """In the table of its group, in usage lines and in errors."""
    assert ALL[path].name == path.split()[-1]
