"""Every command of the stack that reads an environment reports a wrong one as an error of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main


@pytest.mark.parametrize("command", ["stack up", "demo", "doctor"])
def test_an_unknown_environment_is_wrong_input(command: str, tmp_path: Path) -> None:
    """One line that names it, exit code 2; nothing is built or started for it."""
    folder = ["--data", str(tmp_path / "data")] if command == "stack up" else []
    result = CliRunner().invoke(main, [*command.split(), "--env", "locl", *folder])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: unknown environment 'locl' (did you mean local?); shipped: ")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["stack up", "demo", "doctor"])
def test_a_mistake_in_an_environment_is_wrong_input(command: str, tmp_path: Path) -> None:
    """The message has file, line and column, as that of `batchtel config check`."""
    file = tmp_path / "mine.yaml"
    file.write_text("base: local\nname: mine\nexprot_interval: 15s\n", encoding="utf-8")
    folder = ["--data", str(tmp_path / "data")] if command == "stack up" else []
    result = CliRunner().invoke(main, [*command.split(), "--env", str(file), *folder])
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: 1 problem in the environment {file}\n"
        f"  {file}:3:1: exprot_interval is not a key of an environment (did you mean export_interval?)\n",
    )
