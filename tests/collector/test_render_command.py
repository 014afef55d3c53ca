"""`batchtel config render -o`: what it writes, and the files that it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batchtel.cli.main import main


def batchtel(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.mark.parametrize("output", ["mine.yaml", "."])
def test_an_environment_is_not_replaced_by_its_rendering(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder gives the file the name of the environment, which may be that of its own file; exit code 2."""
    monkeypatch.chdir(tmp_path)
    own = "base: local\nname: mine\n"
    Path("mine.yaml").write_text(own)
    result = batchtel("config", "render", "--env", "./mine.yaml", "-o", output)
    assert (result.exit_code, result.stderr) == (
        2,
        "error: mine.yaml exists and was not written by this command; name another file, or remove it\n",
    )
    assert Path("mine.yaml").read_text() == own


@pytest.mark.parametrize("form", ["collector", "compose"])
def test_a_rendered_file_is_replaced(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an earlier version, too; and the command in its header is one that works where the file is."""
    monkeypatch.chdir(tmp_path)
    Path("a file.yaml").write_text("base: local\nname: mine\n")
    Path("out.yaml").write_text("# local: old\n# Generated, do not edit: batchtel config render --env old\n")
    command = ["config", "render", "--env", "./a file.yaml", "--format", form, "-o", "out.yaml"]
    assert [batchtel(*command).exit_code for _ in range(2)] == [0, 0]
    header = Path("out.yaml").read_text().splitlines()[1]
    assert header.startswith("# Generated, do not edit: batchtel config render --env './a file.yaml' --role standalone")


def test_an_empty_file_and_a_device_are_written(tmp_path: Path) -> None:
    """An empty file holds nothing that could be lost, and of a device nothing is kept."""
    empty = tmp_path / "empty.yaml"
    empty.touch()
    assert batchtel("config", "render", "--env", "local", "-o", empty).exit_code == 0
    assert empty.read_text().startswith("# local:")
    assert batchtel("config", "render", "--env", "local", "-o", "/dev/null").exit_code == 0


def test_variables_name_the_command_that_prints_them(tmp_path: Path) -> None:
    """With the file as it is written in its folder, or the name of a shipped environment."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: local\nname: other\n", encoding="utf-8")
    for typed, shown in ((str(mine), "./mine.yaml"), ("local", "local")):
        printed = CliRunner().invoke(main, ["config", "variables", "--env", typed, "--format", "systemd"]).stdout
        assert printed.splitlines()[0].endswith(f" batchtel config variables --env {shown} --format systemd")
