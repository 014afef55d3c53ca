"""A real Spark beside a real stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.spark.drivers import VERSIONS, Driven, Spark
from tests.support import sink
from tests.support.board_answers import Answers
from tests.support.sink import Sink
from tests.support.spark_programs import without_java
from tests.support.witness import Witness


class StepDone(NamedTuple):
    """A step that has ended: its status, and the records that Spark has read and written for it."""

    status: str
    read: int
    written: int


EXTRACTED: Final = StepDone("success", 10_000, 10_000)
TRANSFORMED: Final = StepDone("success", 10_000, 5_700)
LOADED: Final = StepDone("success", 5_700, 57)

DONE: Final[dict[str, dict[str, StepDone]]] = {
    "succeeds": {"extract": EXTRACTED, "transform": TRANSFORMED, "load": LOADED},
    "fails": {"extract": EXTRACTED, "transform": StepDone("failure", 5_000, 2_850)},
    "retried": {"extract": EXTRACTED, "transform": TRANSFORMED, "load": LOADED},
    "killed": {"extract": EXTRACTED, "transform": TRANSFORMED},
}
"""End of the driver -> the steps that have ended; of a failing one half has been written before."""

STATUS: Final = {"succeeds": "success", "fails": "failure", "retried": "success"}
"""End of the driver -> status of its run; a killed one completes nothing."""

FAILED_TASKS: Final = {"succeeds": 0, "fails": 1, "retried": 1, "killed": 0}


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


class Played(NamedTuple):
    """The drivers that have run, by how they end, what the stores have of them, and what boards show."""

    drivers: dict[str, Driven]
    witness: Witness
    answers: Answers

    def job(self, end: str) -> str:
        """Return the job of the driver that ends so."""
        return str(self.drivers[end].happened["job"])


@pytest.fixture(scope="session")
def played(spark: Spark, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Each of the drivers once, two at a time."""
    service = f"spark-{spark.version}"
    witness, since = Witness(stack, service), time.time()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": service}

    def drive(end: str) -> Driven:
        folder = tmp_path_factory.mktemp(f"{spark.version}-{end}")
        return spark.python("etl", str(folder), end, spark.version, **variables)

    with ThreadPoolExecutor(2) as pool:
        drivers = dict(zip(DONE, pool.map(drive, DONE), strict=True))
    return Played(drivers, witness, Answers(stack, service, since, interval="1h"))


@pytest.fixture(params=DONE)
def end(request: pytest.FixtureRequest, played: Played) -> str:
    """How a driver ends."""
    return str(request.param)
