"""What docs/environments.md shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.environment import load
from batchtel_collector.environment.layers import shipped
from batchtel_collector.render.formats import FORMATS
from batchtel_collector.render.job_variables import FORMATS as VARIABLE_FORMATS
from tests.support.pages import blocks_of

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page shows; their first line is their name."""
    made = tmp_path_factory.mktemp("page")
    for text in (*blocks_of(PAGE, "yaml"), *blocks_of(PAGE, "toml")):
        (made / text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    return made


def _commands() -> list[str]:
    return [line.removeprefix("$ ") for block in blocks_of(PAGE, "console") for line in block.splitlines()]


def test_every_command_works(folder: Path, collector_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in a folder with its files: exit code 0, and on standard error nothing but files."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    assert len(_commands()) > 15
    for command in _commands():
        name, *arguments = shlex.split(command)
        assert name == "batchtel"
        if arguments[:2] == ["config", "check"]:
            arguments += ["--collector", str(collector_program)]
        result = CliRunner().invoke(main, arguments)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("wrote ")]
        assert (result.exit_code, lines) == (0, []), command


def test_every_environment_of_the_page_loads(folder: Path) -> None:
    """Each file with a name is one that loads in each of its roles."""
    texts = {file: file.read_text(encoding="utf-8") for file in folder.glob("*.yaml")}
    named = [file for file, text in texts.items() if "\nbase: " in text and "\nname: " in text]
    assert len(named) >= 4
    for file in named:
        read = load.read(str(file))
        for role in read.roles:
            read.environment(role)


def test_the_table_has_every_shipped_environment() -> None:
    """With the roles that it is made for."""
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = {name: roles.split(", ") for name, roles in rows if name in shipped()}
    assert found == {name: load.read(name).roles for name in shipped()}


def test_every_format_is_described() -> None:
    """Of configurations and of variables."""
    text = PAGE.read_text(encoding="utf-8")
    assert [form for form in FORMATS if f"| `{form}` |" not in text] == []
    assert [form for form in VARIABLE_FORMATS if f"--format {form}" not in text and form != "dotenv"] == []
