"""A sink of its own for each test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.support import sink as sinks


@pytest.fixture
def sink() -> Iterator[sinks.Sink]:
    """A receiver of OTLP over HTTP that answers."""
    with sinks.running() as running:
        yield running


@pytest.fixture
def refused(free_ports: Callable[[int], list[int]]) -> str:
    """An endpoint where nothing listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def hanging() -> Iterator[str]:
    """An endpoint where connections are accepted, by the kernel, and nothing is ever read or written."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
