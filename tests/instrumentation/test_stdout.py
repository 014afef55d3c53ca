"""Standard output that cannot be written is an error of each command, and none of `batchtel run`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrumentation.command_tree import ALL

BATCHTEL = Path(sys.executable).with_name("batchtel")
HELP = [f"{path} --help".strip() for path in ("", *ALL)]
PRINTING = [
    *("--version", "config render --env local", "config variables --env local", "config environments --json"),
    *("jobs schema", "spool list . --json", "stack status --json", "stack status"),
]
"""Commands that print by click and by rich, with nothing started."""


def shell(line: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call a shell with `"$@"` in its line as batchtel and its arguments."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OTEL_SDK_DISABLED": "true"}
    command = ["bash", "-c", line, "bash", str(BATCHTEL), *arguments]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("typed", [*HELP, *PRINTING])
def test_a_full_output_is_an_error(typed: str, tmp_path: Path) -> None:
    """One line, exit code 3, and no complaint of the interpreter at its end."""
    ended = shell('"$@" > /dev/full', *typed.split(), folder=tmp_path)
    assert ended.stderr == "error: cannot write standard output: No space left on device\n"
    assert ended.returncode == 3


@pytest.mark.parametrize("typed", PRINTING)
def test_a_closed_output_is_an_error(typed: str, tmp_path: Path) -> None:
    """It is not lost in silence."""
    ended = shell('"$@" >&-', *typed.split(), folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (3, "error: cannot write standard output: Bad file descriptor\n")


@pytest.mark.parametrize("typed", PRINTING)
def test_a_reader_that_leaves_is_no_error(typed: str, tmp_path: Path) -> None:
    """As after `| head -1`: nothing on stderr, and the exit code of a program that SIGPIPE ends."""
    ended = shell('(sleep 0.1; "$@"; echo $? > code) | true', *typed.split(), folder=tmp_path)
    assert (ended.stderr, (tmp_path / "code").read_text()) == ("", "141\n")


@pytest.mark.parametrize("redirected", ["> /dev/full", ">&-"])
def test_run_leaves_its_output_to_the_command(redirected: str, tmp_path: Path) -> None:
    """Exit code and stderr are those of the command without batchtel."""
    for script in ("exit 7", "echo out || exit 8"):
        through = shell(f'"$@" {redirected}', "run", "--", "sh", "-c", script, folder=tmp_path)
        direct = shell(f'shift 3; "$@" {redirected}', "run", "--", "sh", "-c", script, folder=tmp_path)
        assert (through.returncode, through.stderr) == (direct.returncode, direct.stderr), script
