"""A stack of its own for each test: free ports, a temporary folder, and no process left at the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batchtel_stack import binaries
from batchtel_stack.ports import Ports
from tests.compose.machine import COMMAND, plain, processes
from tests.support.polling import until

Batchtel = Callable[..., subprocess.CompletedProcess[str]]
Eventually = Callable[..., None]
Spawn = Callable[[list[str]], subprocess.Popen[str]]


@pytest.fixture(scope="session")
def built() -> None:
    """All programs are in the cache; otherwise the error names the command that builds them."""
    for binary in binaries.BINARIES:
        for program in binary.programs:
            binaries.find(program)


@pytest.fixture
def batchtel() -> Batchtel:
    """Run the command as a user does, with a time limit; returns exit code and output."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=plain())

    return run


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a command with its output in pipes; it does not outlive the test, however that ends."""
    with ExitStack() as spawned:

        def start(command: list[str]) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=plain())
            spawned.enter_context(process)
            spawned.callback(process.kill)
            return process

        yield start


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds; the failure has the condition, the time and the last state."""

    def wait(what: str, condition: Callable[[], object], seconds: float = 30) -> None:
        until(what, lambda: condition() or None, seconds, lambda: f"seen last: {condition()!r}")

    return wait


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a stack; no process with it in its command line may be left after the test."""
    folder = tmp_path / "stack"
    yield folder
    left = processes(folder)
    for pid in left:
        os.kill(pid, 9)
    assert left == {}


@pytest.fixture
def ports() -> Ports:
    """Ports that are free."""
    return Ports.free()
