"""The command `batchtel` itself: its errors for subcommands that are not there."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from batchtel.cli.main import SUBCOMMANDS, main


@pytest.mark.parametrize(
    ("name", "next_step"),
    [("rnu", "did you mean run?"), ("statsu", "did you mean status?"), ("xyz", "batchtel --help lists them")],
)
def test_an_unknown_subcommand_names_what_to_type(name: str, next_step: str) -> None:
    """A slip of the pen is answered with the nearest command; exit code 2."""
    result = CliRunner().invoke(main, [name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: batchtel has no command {name!r}; {next_step}\n"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_help_has_examples(name: str) -> None:
    """Whoever asks for help sees what to type, also below a group such as `batchtel catalogue`."""
    group = main.get_command(click.Context(main), name)
    for path in [[name], *([name, below] for below in getattr(group, "commands", ()))]:
        result = CliRunner().invoke(main, [*path, "--help"])
        assert result.exit_code == 0
        assert f" batchtel {' '.join(path)}" in result.stdout.partition("Examples:")[2]
