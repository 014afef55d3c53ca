"""A command at a terminal, under an interactive shell: the same with and without `batchtel run`."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instrumentation.ways_in.command import python, wrapped
from tests.support.polling import until
from tests.support.process import environment
from tests.support.sink import Sink

ACTOR = """
    import os, signal, sys, threading
    log = open(sys.argv[1], "a", buffering=1)
    # Written by the C handler: Python's own is called once for two deliveries in a row.
    deliveries, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    def write_down():
        while True:
            [number] = os.read(deliveries, 1)
            size = os.get_terminal_size() if number == signal.SIGWINCH else ""
            print(signal.Signals(number).name, *size, file=log)
            if number == signal.SIGTSTP:
                written.set()
    written = threading.Event()
    threading.Thread(target=write_down, daemon=True).start()
    def note(number, frame):
        if number == signal.SIGTSTP:
            written.wait()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            signal.signal(number, note)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTERM):
        signal.signal(number, note)
    print("terminals", [os.isatty(number) for number in range(3)], *os.get_terminal_size(), file=log)
    print("foreground", os.tcgetpgrp(0) == os.getpgrp(), file=log)
    for line in sys.stdin:
        print("read", line.strip(), file=log)
        if line.strip() == "end":
            sys.exit(5)
    """
"""Writes what it sees of its terminal, and each signal that it gets, to a file."""


class Terminal:
    """An interactive bash on a terminal of its own."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**variables, "PS1": "$ ", "TERM": "dumb"})
        self.screen = ""

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, text: str, timeout: float = 30.0) -> None:
        """Wait until `text` is on the screen, below what was waited for before.

        Raises:
            TimeoutError: with the screen.
        """
        deadline = time.monotonic() + timeout
        while text not in self.screen:
            if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"waited {timeout:g} s for {text!r} on the screen: {self.screen!r}")
            self.screen += os.read(self._master, 65536).decode()
        self.screen = self.screen.partition(text)[2]

    def close(self) -> None:
        """Hang up, and wait for the end of the shell.

        Raises:
            TimeoutError: The shell, or what it has become, does not end.
        """
        os.close(self._master)
        process = os.pidfd_open(self._pid)
        ended = select.select([process], [], [], 30)[0]
        os.close(process)
        if not ended:
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        if not ended:
            raise TimeoutError("waited 30 s for the end of the shell after its terminal was closed")


@pytest.fixture
def terminal(sink: Sink) -> Iterator[Terminal]:
    """A shell at a terminal of 30 rows and 100 columns, with the sink in its environment."""
    opened = Terminal(environment(sink, {}))
    opened.shows("$ ")
    opened.resize(30, 100)
    yield opened
    opened.close()


def lines_of(file: Path, expected: list[str], timeout: float = 30.0) -> list[str]:
    """Wait until `file` has as many lines as `expected`, and return them.

    Raises:
        TimeoutError: with the lines that are there.
    """

    def lines() -> list[str]:
        return file.read_text().splitlines() if file.exists() else []

    def enough() -> list[str] | None:
        return found if len(found := lines()) >= len(expected) else None

    return until(f"{len(expected)} lines", enough, timeout, lambda: f"there are {lines()}")


@pytest.mark.parametrize("way", ["direct", "wrapped"])
@pytest.mark.compatible(
    "Places",
    "a terminal: Ctrl-C, Ctrl-Z, Ctrl-\\",
    "cancelled where a key ends the command",
)
def test_keys_of_a_terminal(terminal: Terminal, tmp_path: Path, way: str) -> None:
    r"""Ctrl-C, Ctrl-\, Ctrl-Z with fg, a new window size and input reach the command once, as without the wrapper."""
    log = tmp_path / "log"
    command = python(ACTOR, str(log))
    terminal.type(shlex.join(command if way == "direct" else wrapped(*command)) + "\n")
    expected = ["terminals [True, True, True] 100 30", "foreground True"]
    assert lines_of(log, expected) == expected
    for key, name in (("\x03", "SIGINT"), ("\x1c", "SIGQUIT")):
        terminal.type(key)
        expected.append(name)
        assert lines_of(log, expected) == expected
    terminal.resize(40, 120)
    expected.append("SIGWINCH 120 40")
    assert lines_of(log, expected) == expected
    terminal.type("\x1a")
    terminal.shows("Stopped")
    expected.append("SIGTSTP")
    assert lines_of(log, expected) == expected
    terminal.type("echo code=$?.\n")
    terminal.shows(f"code={128 + signal.SIGTSTP}.")
    terminal.type("fg\n")
    expected.append("SIGCONT")
    assert lines_of(log, expected) == expected
    terminal.type("hello\n")
    expected.append("read hello")
    assert lines_of(log, expected) == expected
    terminal.type("end\n")
    expected.append("read end")
    terminal.type("echo code=$?.\n")
    terminal.shows("code=5.")
    assert lines_of(log, expected) == expected


@pytest.mark.parametrize("way", ["direct", "wrapped"])
def test_a_command_that_ignores_the_stop_key(terminal: Terminal, tmp_path: Path, way: str) -> None:
    """The wrapper does not stop where the command does not: the shell stays behind it."""
    log = tmp_path / "log"
    command = ["sh", "-c", f"trap '' TSTP; echo ready; read line; echo $line > {log}; exit 3"]
    terminal.type(shlex.join(command if way == "direct" else wrapped(*command)) + "\n")
    terminal.shows("\nready")
    terminal.type("\x1a")
    terminal.type("still here\n")
    assert lines_of(log, ["one"]) == ["still here"]
    terminal.type("echo code=$?.\n")
    terminal.shows("code=3.")


@pytest.mark.parametrize("way", ["direct", "wrapped"])
def test_background_and_reading(terminal: Terminal, way: str) -> None:
    """A command in the background that reads stops as the shell expects, and goes on in the foreground."""
    command = ["sh", "-c", "read line; echo got:$line; exit 4"]
    terminal.type(shlex.join(command if way == "direct" else wrapped(*command)) + " & wait $!; echo code=$?.\n")
    terminal.shows(f"code={128 + signal.SIGTTIN}.")
    terminal.type("fg\n")
    terminal.shows("\n")
    terminal.type("text\n")
    terminal.shows("got:text")
    terminal.type("echo code=$?.\n")
    terminal.shows("code=4.")


def test_interrupting_at_the_terminal(terminal: Terminal, sink: Sink) -> None:
    """Ctrl-C ends command and wrapper by SIGINT: a script around them ends, too, and the run is cancelled."""
    terminal.type(
        shlex.join(["sh", "-c", f"{shlex.join(wrapped('sh', '-c', 'echo ready; exec sleep 100'))}; echo next"])
    )
    terminal.type("\n")
    terminal.shows("\nready")
    terminal.type("\x03")
    terminal.shows("$ ")
    terminal.type("echo code=$?.\n")
    terminal.shows(f"code={128 + signal.SIGINT}.")
    assert sink.total("batch.job.completions", job_name="sh", status="cancelled") == 1


def test_a_terminal_that_hangs_up(sink: Sink, tmp_path: Path) -> None:
    """The command of a closed window gets one SIGHUP and its run is cancelled."""
    log = tmp_path / "log"
    terminal = Terminal(environment(sink, {}))
    terminal.shows("$ ")
    script = f"trap 'echo hangup >> {log}; exit 129' HUP; echo ready; while :; do sleep 0.05; done"
    terminal.type("exec " + shlex.join(wrapped("sh", "-c", script)) + "\n")
    terminal.shows("\nready")
    terminal.close()
    assert log.read_text() == "hangup\n"
    assert sink.total("batch.job.completions", job_name="sh", status="cancelled") == 1
