"""docs/spark.md maps each part of the former helper, by tests that exist, and its code parses."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from batchtel.spark.observer import SPAN_LIMIT
from batchtel.spark.status import LOOK, PATIENCE, TASK_LIMIT
from tests.support.pages import blocks_of
from tests.support.process import environment
from tests.support.sink import Sink, running

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "spark.md"

FAILING: Final = ["--simulate-failure"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    """What stands for a collector."""
    with running() as sink:
        yield sink


def test_each_part_of_the_helper_has_a_row_with_a_test() -> None:
    """In order, each once."""
    rows = re.findall(r"^\| (K\d\d) \| .+ \| `(tests/[\w/]+\.py)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [number for number, *_ in rows] == [f"K{number:02}" for number in range(1, 16)]
    for _, file, function in rows:
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_code_parses() -> None:
    """Each block of Python is valid; tests/spark runs the same calls."""
    blocks = blocks_of(PAGE, "python")
    assert len(blocks) == 5
    for block in blocks:
        ast.parse(block)


def test_bounds_are_those_of_the_code() -> None:
    """Seconds, tasks and spans."""
    text = PAGE.read_text(encoding="utf-8")
    assert f"costs the end of one step {2 * PATIENCE:g} s at most" in text
    assert f"costs {2 * PATIENCE + LOOK:g} s at most" in text
    assert f"more than {TASK_LIMIT:,} lost tasks" in text
    assert f"Not more than {SPAN_LIMIT:,} spans" in text


@pytest.mark.parametrize(
    "command", [[], ["batchtel", "run", "--job", "sensor-etl", "--"]], ids=["python", "batchtel run"]
)
@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_the_etl_without_spark(sink: Sink, tmp_path: Path, command: list[str], fails: bool) -> None:
    """By Python or as a command it is one run, 57,265 of its 100,000 readings pass, and a failure ends it with 1."""
    ended = subprocess.run(
        [*command, sys.executable, ROOT / "docs/spark/sensor_etl.py", "--output-path", tmp_path, *FAILING[:fails]],
        env=environment(sink, {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == fails, ended.stderr
    added = {point.metric: point.value for point in sink.points() if point.value}
    assert added["batch.job.runs.started"] == 1
    run = sink.span("batch_job.sensor-etl")
    assert run.attributes["batch.status"] == ("failure" if fails else "success")
    if not fails:
        assert added["batch.job.records.processed"] == 57_265
        written = (tmp_path / "readings.csv").read_text(encoding="utf-8").splitlines()
        assert {line.rpartition(",")[2] for line in written} == {"cold", "normal", "hot"}
        assert len(written) == 57_265
