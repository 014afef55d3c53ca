"""A damaged queue file: it is set aside, and the collector starts, and accepts new data."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from batchtel_stack import queue_files
from tests.pipeline.conftest import Start
from tests.support import otlp

QUEUE: Final = "exporter_otlp_grpc_tempo_traces"
PAGE: Final = 4096
RANDOM: Final = random.Random(1)


def _zeroed(content: bytes, start: int, end: int) -> bytes:
    return content[:start] + bytes(end - start) + content[end:]


DAMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "text": lambda content: b"a file of something else",
    "garbage": lambda content: RANDOM.randbytes(len(content)),
    "zeros": lambda content: bytes(len(content)),
    "one page": lambda content: content[:PAGE],
    "two pages": lambda content: content[: 2 * PAGE],
    "half": lambda content: content[: len(content) // 2],
    "no meta page": lambda content: _zeroed(content, 0, 2 * PAGE),
    "no page but meta pages": lambda content: _zeroed(content, 2 * PAGE, len(content)),
    "zeros from the middle on": lambda content: _zeroed(content, len(content) // 2, len(content)),
}
"""What a crash of the machine, a full disk or a person leaves -> what becomes of the content."""

HARMLESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "whole": lambda content: content,
    "empty": lambda content: b"",
    "no first meta page": lambda content: _zeroed(content, 0, PAGE),
}
"""What bbolt reads all the same."""


def _spans(count: int, size: int) -> dict[str, Any]:
    ids = {"traceId": "2" * 32, "spanId": "2" * 16}
    spans = [{"name": "queued", **ids, "attributes": {"text": "x" * size}} for _ in range(count)]
    body: dict[str, Any] = otlp.expand(otlp.request({"service.name": "queued"}, {}, "spans", spans), 0, 0, "")
    return body


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> dict[str, Any]:
    """An environment with a folder of queues, and a store of traces that is away."""
    folder = tmp_path_factory.mktemp("damaged") / "queue"
    return {"tempo": {"endpoint": f"127.0.0.1:{free_ports(1)[0]}"}, "queue": {"folder": str(folder)}}


@pytest.fixture(scope="module")
def content(start: Start, overrides: dict[str, Any]) -> bytes:
    """The queue of a collector that has stopped while its store of traces was away."""
    with start(overrides) as bench:
        for _ in range(60):
            assert bench.send(_spans(20, 5_000))[0] == 200
    return (Path(overrides["queue"]["folder"]) / QUEUE).read_bytes()


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_is_set_aside(start: Start, overrides: dict[str, Any], content: bytes, damage: str) -> None:
    """The collector starts with an empty queue, and the file is kept beside it under another name."""
    folder = Path(overrides["queue"]["folder"])
    damaged = DAMAGES[damage](content)
    (folder / QUEUE).write_bytes(damaged)
    (found,) = queue_files.set_aside(folder)
    assert (found.file, found.moved_to.read_bytes() == damaged) == (folder / QUEUE, True)
    with start(overrides) as bench:
        assert bench.send(_spans(1, 10))[0] == 200
        assert bench.program.exit_code is None
    assert queue_files.set_aside(folder) == []


@pytest.mark.parametrize("state", HARMLESS)
def test_it_is_left_where_the_collector_can_read_it(
    start: Start, overrides: dict[str, Any], content: bytes, state: str
) -> None:
    """Whatever bbolt reads stays: the queue of a stopped collector, an empty file, one without its older meta page."""
    folder = Path(overrides["queue"]["folder"])
    (folder / QUEUE).write_bytes(HARMLESS[state](content))
    assert queue_files.set_aside(folder) == []
    with start(overrides) as bench:
        assert bench.send(_spans(1, 10))[0] == 200


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_ends_the_check(tmp_path: Path, content: bytes, seed: int) -> None:
    """Whatever bytes are changed, the check ends with an answer."""
    chosen = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chosen.choice((1, 10, 100))):
        at = chosen.randrange(len(changed) - 64)
        changed[at : at + 64] = chosen.randbytes(64)
    file = tmp_path / QUEUE
    file.write_bytes(changed[: chosen.choice((len(changed), len(changed) // 3, 100))])
    assert queue_files.damage(file) is None or "page" in str(queue_files.damage(file))
