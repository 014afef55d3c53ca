"""`batchtel check` and `batchtel render` with a real collector: exit codes and whole messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batchtel.command import main
from batchtel_collector import check, environment, program
from batchtel_collector.environment import load

LOCAL = (environment.SHIPPED / "local.yaml").read_text(encoding="utf-8")


def batchtel(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", environment.shipped())
def test_shipped_environments_are_right(name: str, collector_program: Path) -> None:
    """The real collector would start with each of them; exit code 0."""
    result = batchtel("check", "--env", name, "--collector", collector_program)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{name} is right: {collector_program} (batchtel-collector version 0.159.0) accepts its configuration\n"
    )


def test_json_says_the_same(collector_program: Path) -> None:
    """One document on standard output, and nothing else there."""
    result = batchtel("check", "--env", "local", "--collector", collector_program, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "ok": True,
        "environment": "local",
        "collector": str(collector_program),
        "problems": [],
    }


def test_what_the_collector_refuses_is_traced_to_the_environment(collector_program: Path, tmp_path: Path) -> None:
    """A queue folder below a file passes the model; only the collector can see it. Exit code 1."""
    (tmp_path / "file").touch()
    mine = tmp_path / "mine.yaml"
    mine.write_text(LOCAL.replace("${env:HOME}/.local", f"{tmp_path}/file"), encoding="utf-8")
    result = batchtel("check", "--env", mine, "--collector", collector_program)
    folder = f"{tmp_path}/file/state/batchtel/queue"
    assert result.stderr == (
        f"error: the collector {collector_program} refuses the configuration of {mine}\n"
        f"  extensions::file_storage/queue: problem accessing configured directory: {folder}, "
        f"err: stat {folder}: not a directory; the environment decides this by queue.folder\n"
    )
    assert result.exit_code == 1
    as_json = json.loads(batchtel("check", "--env", mine, "--collector", collector_program, "--json").stdout)
    assert as_json["ok"] is False
    assert len(as_json["problems"]) == 1


def test_a_wrong_environment_is_an_input_error_in_json_too(tmp_path: Path) -> None:
    """The problems carry their places; exit code 2, and no collector is needed."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(LOCAL.replace("name: local", "name: NO"), encoding="utf-8")
    result = batchtel("check", "--env", mine, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "ok": False,
        "environment": str(mine),
        "collector": None,
        "problems": [
            {
                "message": 'name: NO is read as false in YAML; write "NO" in quotes for text, or true or false',
                "file": str(mine),
                "line": 5,
                "column": 7,
            }
        ],
    }


def test_a_collector_without_a_component_is_named_with_its_version(
    collector_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first unknown component of each section is told, with the version that is needed."""

    def older(environment: object) -> str:
        return (
            "receivers: {nowhere: {}}\nexporters: {debug: {}}\nextensions: {nothing: {}}\n"
            "service: {pipelines: {logs: {receivers: [nowhere], exporters: [debug]}}}\n"
        )

    monkeypatch.setattr(check, "render", older)
    problems = check.check(load("local"), collector_program)
    assert len(problems) == 2
    for problem in problems:
        assert "unknown type:" in problem
        assert problem.endswith(
            f"{collector_program} is batchtel-collector version 0.159.0, the configuration is made for the components "
            "of contrib 0.159.0: name such a collector with --collector PATH"
        )


def test_a_collector_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    """A wrong path is told with the option that mends it; exit code 3."""
    result = batchtel("check", "--env", "local", "--collector", tmp_path / "none")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: cannot run the collector {tmp_path}/none: No such file or directory; "
        "name another one with --collector PATH\n",
    )


def test_no_collector_anywhere_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither built nor on PATH; exit code 3."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = batchtel("check", "--env", "local")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: no collector found: none built in {tmp_path}/batchtel/bin, and no otelcol-batchtel, otelcol-contrib "
        "or otelcol on PATH; build one with `batchtel up`, or name one with --collector PATH\n",
    )


def test_the_built_collector_comes_before_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `batchtel up` has built is of the right version; what is on PATH may be of any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    installed = tmp_path / "otelcol-contrib"
    installed.touch(mode=0o755)
    assert program.find() == installed
    built = tmp_path / "batchtel" / "bin" / "collector-0" / "collector"
    built.parent.mkdir(parents=True)
    built.touch(mode=0o755)
    assert program.find() == built


def test_render_writes_the_same_to_a_file(tmp_path: Path) -> None:
    """-o writes what would be printed, and prints nothing."""
    output = tmp_path / "collector.yaml"
    result = batchtel("render", "--env", "local", "-o", output)
    assert (result.exit_code, result.output) == (0, "")
    assert output.read_text(encoding="utf-8") == batchtel("render", "--env", "local").stdout


def test_render_cannot_write_into_nowhere(tmp_path: Path) -> None:
    """The message names the file and the reason; exit code 2."""
    output = tmp_path / "none" / "collector.yaml"
    result = batchtel("render", "--env", "local", "-o", output)
    assert (result.exit_code, result.stderr) == (2, f"error: cannot write {output}: No such file or directory\n")


@pytest.mark.parametrize("command", ["render", "check"])
def test_help_has_examples(command: str) -> None:
    """Whoever asks for help sees what to type."""
    result = batchtel(command, "--help")
    assert result.exit_code == 0
    assert f"batchtel {command} --env local" in result.stdout
