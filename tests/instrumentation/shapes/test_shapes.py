"""A hundred shapes of processes that a seed draws: the job notices nothing, and status and counts are right.

`make test` runs a sample, `make test-shapes` all; SHAPES_SEED and SHAPES_COUNT draw others.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.instrumentation.shapes import program
from tests.instrumentation.shapes.shape import SEED, Expected, Shape, expected, generate
from tests.support.interpreters import interpreter
from tests.support.sink import Sink

SHAPES = generate(int(os.environ.get("SHAPES_SEED", SEED)), int(os.environ.get("SHAPES_COUNT", "100")))
SAMPLE = 12


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, id=f"{number}: {shape}", marks=() if number < SAMPLE else pytest.mark.shapes)
        for number, shape in enumerate(SHAPES)
    ],
)
@pytest.mark.compatible(
    "Processes",
    "a hundred generated shapes, `make test-shapes`",
    "status, counts and log records of all processes",
)
def test_shape(sink: Sink, tmp_path: Path, shape: Shape) -> None:
    """Exit code, output and files are those without batchtel; status, counts and log records are the right ones."""
    interpreter(shape.version)
    program.write(shape, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        plain, recorded = pool.map(lambda receiver: program.run(shape, tmp_path, receiver), (None, sink))
    right = expected(shape)
    assert plain.code == right.code, plain.stderr
    assert recorded == plain
    assert _recorded(sink, right) == right._replace(code=0)


def _recorded(sink: Sink, right: Expected) -> Expected:
    """Return what has arrived of the only run, in the form of what is expected of it."""
    started = [point for point in sink.points("batch.job.runs.started") if point.value]
    assert [point.attributes["job_name"] for point in started] == ["shape"]
    ended = [point.attributes for point in sink.points("batch.job.completions") if point.value]
    assert len(ended) <= 1
    error = ended[0].get("error_type", "") if ended and right.error is not None else None
    bodies = [log.body for log in sink.logs() if log.scope == "load"]
    return Expected(
        0,
        ended[0]["status"] if ended else None,
        error,
        None if right.processed is None else int(_sum(sink, "batch.job.records.processed")),
        None if right.parts is None else int(_sum(sink, "batch.step.completions")),
        None if right.logs is None else len(bodies),
    )


def _sum(sink: Sink, metric: str) -> float:
    return sum(point.value for point in sink.points(metric))
