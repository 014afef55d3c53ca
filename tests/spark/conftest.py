"""A real Spark beside a real stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.spark.drivers import VERSIONS, Spark
from tests.support import sink
from tests.support.sink import Sink
from tests.support.spark_programs import without_java


@pytest.fixture(scope="session", params=VERSIONS)
def spark(request: pytest.FixtureRequest) -> Spark:
    """Spark of one version."""
    if why := without_java():
        pytest.skip(why)
    return Spark(request.param)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, for all versions."""
    with Stack.running(tmp_path_factory.mktemp("spark") / "stack", Ports.free(), export_interval="1s") as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Sink]:
    """What stands for a collector where no store is asked."""
    with sink.running() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Where a job writes."""
    return str(tmp_path)
