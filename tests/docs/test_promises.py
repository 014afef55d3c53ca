"""README.md names tests that exist, for each promise and each engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROCESSOR = ROOT / "collector" / "batchtel_collector" / "processors" / "runrollup"

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMISES = ("exact", "bounded", "harmless", "safe", "complete", "steady")


def _rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of a table by the first cell of each row."""
    table = README.split(heading, 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.strip().splitlines()[1:]]
    return {first: others for first, *others in cells}


def test_each_promise_has_its_bounds_and_its_tests_for_both_engines() -> None:
    """Two tables with the same rows."""
    for heading in ("| promise | what it means, and its bounds | with `stock` |", "| promise | `exact` | `stock` |"):
        rows = _rows(heading)
        assert tuple(rows) == PROMISES
        assert all(len(cells) == 2 and all(cells) for cells in rows.values())


@pytest.mark.parametrize("promise", PROMISES)
def test_each_test_that_is_named_exists(promise: str) -> None:
    """A file, a function in it, or a function of the processor's tests in Go."""
    named = re.findall(r"`(tests/[^`]+|Test\w+)`", " ".join(_rows("| promise | `exact` | `stock` |")[promise]))
    assert named
    in_go = "\n".join(file.read_text(encoding="utf-8") for file in PROCESSOR.rglob("*_test.go"))
    for name in named:
        file, _, function = name.partition("::")
        if file.startswith("tests/"):
            text = (ROOT / file).read_text(encoding="utf-8")
            assert f"def {function}(" in text if function else "def test_" in text, name
        else:
            assert f"func {name}(" in in_go, name


def test_run_rollup_is_described_with_all_of_its_metrics() -> None:
    """The table in docs/aggregation.md has each metric of documentation.md; the histogram is named below it."""
    page = (ROOT / "docs" / "aggregation.md").read_text(encoding="utf-8")
    metrics = re.findall(
        r"^### otelcol_processor_run_rollup_(\w+)$", (PROCESSOR / "documentation.md").read_text(), re.M
    )
    assert len(metrics) > 10
    missing = [name for name in metrics if not re.search(rf"(`|run_rollup_){name}(_total)?`", page)]
    assert missing == []
