"""A sink of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.instrumentation import sink as sinks


@pytest.fixture
def sink() -> Iterator[sinks.Sink]:
    """A receiver of OTLP over HTTP that answers."""
    with sinks.running() as running:
        yield running


@pytest.fixture
def refused(free_ports: Callable[[int], list[int]]) -> str:
    """An endpoint where nobody listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"
