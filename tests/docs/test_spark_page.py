"""docs/spark.md maps each part of the former helper, by tests that exist, and its code parses."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from batchtel.spark.observer import SPAN_LIMIT
from batchtel.spark.status import PATIENCE, TASK_LIMIT
from tests.support.pages import blocks_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "spark.md"


def test_each_part_of_the_helper_has_a_row_with_a_test() -> None:
    """In order, each once."""
    rows = re.findall(r"^\| (K\d\d) \| .+ \| `(tests/[\w/]+\.py)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [number for number, *_ in rows] == [f"K{number:02}" for number in range(1, 16)]
    for _, file, function in rows:
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_code_parses() -> None:
    """Each block of Python is valid; tests/spark runs the same calls."""
    blocks = blocks_of(PAGE, "python")
    assert len(blocks) == 3
    for block in blocks:
        ast.parse(block)


def test_bounds_are_those_of_the_code() -> None:
    """Seconds, tasks and spans."""
    text = PAGE.read_text(encoding="utf-8")
    assert f"costs the end of one step {2 * PATIENCE:g} s at most" in text
    assert f"more than {TASK_LIMIT:,} lost tasks" in text
    assert f"Not more than {SPAN_LIMIT:,} spans" in text
