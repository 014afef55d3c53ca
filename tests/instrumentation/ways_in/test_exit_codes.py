"""What `batchtel run` ends with is what the command ended with."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import call, python, wrapped
from tests.support.sink import Sink

CANCELS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
HARMLESS = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
}
FATAL = sorted(signal.valid_signals() - HARMLESS - set(range(signal.SIGRTMIN + 2, signal.SIGRTMAX)))
"""Every signal whose default ends a process; of the real-time ones, which are alike, the first two and the last."""


def test_exit_codes(sink: Sink) -> None:
    """Each code comes through and is recorded: 0 as success, any other as failure."""
    codes = [0, 1, 7, 126, 127, 255]
    for code in codes:
        finished = call(wrapped("sh", "-c", f"exit {code}", options=("--job", f"exit-{code}")), sink)
        assert (finished.returncode, finished.stdout, finished.stderr) == (code, b"", b"")
        status = "success" if code == 0 else "failure"
        assert sink.total("batch.job.runs.started", job_name=f"exit-{code}") == 1
        assert sink.total("batch.job.completions", job_name=f"exit-{code}", status=status) == 1
        assert sink.span(f"batch_job.exit-{code}").attributes["process.exit.code"] == code
    assert sink.total("batch.job.completions") == len(codes)


@pytest.mark.compatible(
    "Ends",
    "a command killed by any signal, below `batchtel run`",
    "lost for SIGKILL, cancelled for requests to end, else failure; the wrapper dies by the same signal",
)
def test_a_command_killed_by_each_signal(sink: Sink) -> None:
    """The wrapper dies by the same signal; SIGKILL is lost, the requests to end cancelled, the others a failure."""

    def killed(number: int) -> int:
        script = python("import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL)")[2] + (
            f"\nif {number} not in (9, 2): signal.signal({number}, signal.SIG_DFL)\nos.kill(os.getpid(), {number})"
        )
        return call(wrapped(*python(script), options=("--job", f"killed-{number}")), sink).returncode

    with ThreadPoolExecutor(3) as pool:
        ends = dict(zip(FATAL, pool.map(killed, FATAL), strict=True))
    assert ends == {number: -number for number in FATAL}
    for number in FATAL:
        ended = [
            point.attributes
            for point in sink.points("batch.job.completions")
            if point.value and point.attributes["job_name"] == f"killed-{number}"
        ]
        assert len(ended) == 1, (number, ended)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"SIGRTMIN+{number - signal.SIGRTMIN}"
        status, error = ("lost", None) if number == signal.SIGKILL else ("failure", name)
        if number in CANCELS:
            status, error = "cancelled", None
        assert (ended[0]["status"], ended[0].get("error_type")) == (status, error), number
    assert sink.span("batch_job.killed-9").attributes["batch.status.reason"] == "killed by SIGKILL"
    assert sink.span("batch_job.killed-15").attributes["batch.status.reason"] == "SIGTERM"


def test_a_shell_shows_128_plus_the_signal(sink: Sink) -> None:
    """A shell around the wrapper sees what it would see around the command."""
    line = '"$@"; echo $?'
    for command in ("kill -TERM $$", "kill -SEGV $$", "exit 7"):
        direct = call(["bash", "-c", line, "bash", "sh", "-c", command], None)
        through = call(["bash", "-c", line, "bash", *wrapped("sh", "-c", command)], sink)
        assert through.stdout == direct.stdout, command


@pytest.mark.parametrize(
    ("name", "content", "mode", "code", "error"),
    [
        ("missing", None, 0, 127, "FileNotFoundError"),
        ("not_executable", "#!/bin/sh\n", 0o644, 126, "PermissionError"),
        ("without_interpreter", "#!/nowhere/interpreter\n", 0o755, 127, "FileNotFoundError"),
        ("folder", "", None, 126, "PermissionError"),
    ],
)
@pytest.mark.compatible(
    "Ends",
    "a command that is not found, or cannot be executed",
    "failure, with the error",
)
def test_a_command_that_cannot_start(
    sink: Sink, tmp_path: Path, name: str, content: str | None, mode: int | None, code: int, error: str
) -> None:
    """One line on stderr, the exit code that env gives, and a failed run with the reason."""
    file = tmp_path / name
    if mode is None:
        file.mkdir()
    elif content is not None:
        file.write_text(content)
        file.chmod(mode)
    finished = call(wrapped(str(file)), sink)
    assert call(["env", str(file)], None).returncode == finished.returncode == code
    assert finished.stderr.decode().startswith(f"batchtel run: {file}: ")
    assert finished.stderr.count(b"\n") == 1
    assert sink.total("batch.job.completions", job_name=name, status="failure", error_type=error) == 1
    span = sink.span(f"batch_job.{name}")
    assert span.attributes["process.exit.code"] == code
    assert span.attributes["batch.status.reason"] in finished.stderr.decode()


def test_an_empty_command(sink: Sink) -> None:
    """An empty name, as a variable that is not set gives, is not found: one line, 127, and a failed run."""
    finished = call(wrapped(""), sink)
    assert (finished.returncode, finished.stderr) == (127, b"batchtel run: '': No such file or directory\n")
    assert sink.total("batch.job.completions", status="failure", error_type="FileNotFoundError") == 1


def test_a_script_without_interpreter_line(sink: Sink, tmp_path: Path) -> None:
    """A file without `#!` is run by the shell, from a path and from PATH, as env does it."""
    script = tmp_path / "plain"
    script.write_text('echo "$0 $1"; exit 4\n')
    script.chmod(0o755)
    for name in (str(script), "plain"):
        variables = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        direct = call(["/usr/bin/env", name, "an argument"], None, variables)
        through = call(wrapped(name, "an argument"), sink, variables)
        assert (through.returncode, through.stdout) == (direct.returncode, direct.stdout)
    assert direct.returncode == 4


def test_wrong_options_are_reported_and_nothing_runs(sink: Sink) -> None:
    """An unknown option, a wrong number, a pair without `=`, a wrong time and no command exit with 2."""
    wrong = {
        ("--jbo", "x", "--", "echo", "ran"): b"`batchtel run` has no option --jbo; did you mean --job?",
        ("--attempt", "0", "--", "echo", "ran"): b"--attempt: 0 is not a whole number of 1 or more",
        ("--attribute", "region", "--", "echo", "ran"): b"'region' is not KEY=VALUE; write for example --attribute",
        ("--scheduled-at", "noon", "--", "echo", "ran"): b"'noon' is not a time; write ISO 8601 or Unix seconds, for",
        (): b"`batchtel run` needs -- COMMAND [ARGUMENT]...; for example: batchtel run -- ./nightly.sh",
    }
    for arguments, message in wrong.items():
        finished = call([*wrapped()[:2], *arguments], sink)
        assert (finished.returncode, finished.stdout) == (2, b""), arguments
        assert message in finished.stderr, finished.stderr
        assert finished.stderr.startswith(b"error: "), arguments
        assert finished.stderr.count(b"\n") == 1, arguments
    assert sink.requests == []


def test_a_warning_of_an_attribute_names_its_option(sink: Sink) -> None:
    """Not a call of Python, which the caller of the command has not written."""
    finished = call(wrapped("true", options=("--attribute", "batch.job.name=x")), sink)
    assert finished.returncode == 0
    assert b"--attribute: batch.job.name is batchtel's own attribute; it is not changed\n" in finished.stderr


def test_a_name_that_is_empty_stops_no_command(sink: Sink) -> None:
    """A variable that is not set in a crontab costs one warning; the run has the default name and type."""
    finished = call([*wrapped()[:2], "--job", "", "--type", " ", "--", "echo", "ran"], sink)
    assert (finished.returncode, finished.stdout) == (0, b"ran\n")
    assert finished.stderr.decode().splitlines() == [
        "batchtel run: --job is empty, so its default is used",
        "batchtel run: --type is empty, so its default is used",
    ]
    assert sink.total("batch.job.completions", job_name="echo", job_type="batch") == 1
