"""The command `batchtel` itself: what it says about subcommands that are not there."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from batchtel.command import SUBCOMMANDS, main


@pytest.mark.parametrize(
    ("name", "next_step"),
    [("rnu", "did you mean run?"), ("statsu", "did you mean status?"), ("xyz", "batchtel --help lists them")],
)
def test_an_unknown_subcommand_says_what_to_type(name: str, next_step: str) -> None:
    """A slip of the pen is answered with the nearest command; exit code 2."""
    result = CliRunner().invoke(main, [name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: batchtel has no command {name!r}; {next_step}\n"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_help_has_examples(name: str) -> None:
    """Whoever asks for help sees what to type."""
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f" batchtel {name}" in result.stdout.partition("Examples:")[2]
