"""Fixtures that every suite uses: the real programs, and ports on which no process listens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from batchtel_stack import binaries, ports
from tests.support.durations import Durations

# A shell starts background jobs with SIGINT ignored, which every process of these tests would inherit: a Ctrl-C that is
# sent to one of them would do nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WORKERS = 4
"""More processes of pytest-xdist than this share ports with others."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
ports.CANDIDATES = ports.CANDIDATES[_worker * len(ports.CANDIDATES) // WORKERS :][: len(ports.CANDIDATES) // WORKERS]


def pytest_configure(config: pytest.Config) -> None:
    """Print the seconds of each suite at the end of the run; workers of pytest-xdist leave it to the main process."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(), "durations")


def _program(name: str) -> Path:
    """Return BATCHTEL_TEST_<NAME> when it is set, else the program in the user's cache."""
    named = os.environ.get(f"BATCHTEL_TEST_{name.upper()}")
    return Path(named) if named else binaries.find(name)


@pytest.fixture(scope="session")
def collector_program() -> Path:
    """The real collector: BATCHTEL_TEST_COLLECTOR, or the one in the cache."""
    return _program("collector")


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    """The real Prometheus: BATCHTEL_TEST_PROMETHEUS, or the one in the cache."""
    return _program("prometheus")


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """A function that returns `count` different ports on loopback that were free a moment ago."""
    return ports.free
