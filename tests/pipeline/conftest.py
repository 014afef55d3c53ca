"""The bench's fixtures: Prometheus, the sink, and a function that starts collectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.pipeline import bench
from tests.support import file_sink
from tests.support.program import Program, fetch

BOTH = pytest.mark.parametrize("aggregation", ["exact", "stock"])
"""For a test that both ways to aggregate pass."""

NOT_STOCK = pytest.mark.parametrize(
    "aggregation",
    [
        "exact",
        pytest.param(
            "stock", marks=pytest.mark.xfail(raises=(AssertionError, TimeoutError), reason="a limit of stock")
        ),
    ],
)
"""For a test of what `exact` promises and `stock` does not (docs/aggregation.md)."""

LOOKBACK = 10
"""Seconds after which the bench's Prometheus calls a series stale."""


@dataclass(frozen=True)
class Prometheus:
    """A real Prometheus that calls a series stale after LOOKBACK seconds."""

    url: str

    @property
    def write(self) -> str:
        """Remote-write address."""
        return f"{self.url}/api/v1/write"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        answer = json.loads(fetch(f"{self.url}/api/v1/query?{urlencode({'query': expression})}"))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def values(self, expression: str, label: str) -> dict[str, float]:
        """Return label value -> number of an instant query."""
        return {row["metric"].get(label, ""): float(row["value"][1]) for row in self.query(expression)}


@pytest.fixture(scope="session")
def prometheus(
    prometheus_program: Path, tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[Prometheus]:
    """A real Prometheus for all collectors of the bench; the label instance distinguishes them."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yaml").write_text("{}")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command: list[str | Path] = [
        prometheus_program,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        f"--query.lookback-delta={LOOKBACK}s",
        "--log.level=warn",
    ]
    with Program(command, folder / "prometheus.log", f"http://{address}/-/ready"):
        yield Prometheus(f"http://{address}")


@pytest.fixture(scope="session")
def detail_sink(
    collector_program: Path, tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]
) -> Iterator[file_sink.Sink]:
    """Where log records and spans of all collectors of the bench arrive."""
    with file_sink.running(collector_program, tmp_path_factory.mktemp("sink") / "sink", *free_ports(3)) as running:
        yield running


Start = Callable[..., AbstractContextManager[bench.Bench]]


@pytest.fixture(scope="session")
def start(
    collector_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
    free_ports: Callable[[int], list[int]],
    detail_sink: file_sink.Sink,
    prometheus: Prometheus,
) -> Start:
    """A function that starts a collector, `start(overrides)`, or one with another configuration's text."""

    def begin(
        overrides: Mapping[str, Any] | None = None,
        configuration: Callable[[bench.Collector], str] | None = None,
        boot: str = bench.BOOT,
    ) -> AbstractContextManager[bench.Bench]:
        folder, listen = tmp_path_factory.mktemp("bench"), bench.Listen(*free_ports(5))
        new = bench.Collector(collector_program, folder, listen, detail_sink, prometheus.write, boot)
        return new.running(configuration(new) if configuration else new.rendered(overrides or {}))

    return begin
