"""A real stack on which the demo's first pass has run once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batchtel_stack.demo import scenarios
from batchtel_stack.demo.compare import Witnesses
from batchtel_stack.demo.play import EXPORT_INTERVAL
from batchtel_stack.demo.processes import Processes
from batchtel_stack.demo.target import SERVICE, Target
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.stack.marked import Marked


@dataclass(frozen=True)
class Played:
    """A stack, and the ledger of the jobs of the first pass."""

    stack: Stack
    ledger: Path
    since: float
    witnesses: Witnesses


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A stack after the first pass, when the stores have settled."""
    folder, since = tmp_path_factory.mktemp("played"), time.time()
    with Stack.running(folder / "stack", Ports.free(), export_interval=f"{EXPORT_INTERVAL}s") as stack:
        with Processes(folder, stack.otlp_http, SERVICE) as processes:
            scenarios.first_pass(processes)
            witnesses = Witnesses(processes.ledger, Target.own(stack, EXPORT_INTERVAL), since)
        witnesses.settle()
        yield Played(stack, processes.ledger, since, witnesses)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for jobs that tests start themselves."""
    with Stack.running(tmp_path_factory.mktemp("stack") / "stack", Ports.free(), export_interval="1s") as running:
        yield running


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[Marked]:
    """Starts commands whose processes can be found; at the end none may be left."""
    commands = Marked(tmp_path)
    yield commands
    commands.wait_until_none_is_left(30)
