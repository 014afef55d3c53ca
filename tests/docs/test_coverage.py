"""docs/coverage.md has a row for each alert and panel that was asked for, and names what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

from batchtel_dashboards.alerts import rule_file
from batchtel_dashboards.boards import shipped

ROOT = Path(__file__).parents[2]

ASKED: Final = {"U": 11, "V": 9, "W": 5, "X": 10, "Y": 10, "Z": 16, "AA": 15, "AB": 22, "AC": 6}
"""Group of the articles -> number of its alerts or panels."""

WITHOUT: Final = ("better not", "not there")
"""How a row begins that has no test."""

ROWS = re.findall(
    r"^\| ([A-Z]+\d\d) \| (.+) \| (.+) \|(.*)\|$", (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8"), re.M
)


def test_each_of_them_has_a_row() -> None:
    """In their order, each once."""
    wanted = [f"{group}{number:02}" for group, count in ASKED.items() for number in range(1, count + 1)]
    assert [number for number, *_ in ROWS] == wanted


def test_each_alert_that_is_named_exists() -> None:
    """By its name in the rules."""
    named = {name for _, _, where, _ in ROWS for name in re.findall(r"Batch[A-Z]\w+", where)}
    assert named
    assert named <= {alert.name for alert in rule_file.ALERTS}


def test_each_panel_that_is_named_exists() -> None:
    """On its board, for both engines."""
    for aggregation in ("exact", "stock"):
        panels = {
            uid: {panel["title"] for panel in json.loads(text)["panels"]}
            for uid, text in shipped.texts(aggregation).items()
        }
        for number, _, where, _ in ROWS:
            for board, title in re.findall(r"([A-Z][A-Za-z ]+): \*(.+?)\*", where):
                assert title in panels[f"batch-{board.lower().replace(' ', '-')}"], number


@pytest.mark.parametrize(("where", "test"), [row[2:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_test_that_is_named_exists(where: str, test: str) -> None:
    """A file, or a function of it; none only where there is nothing to test."""
    assert bool(test.strip()) != where.startswith(WITHOUT)
    for file, function in re.findall(r"`(tests/[^`:]+)(?:::(\w+))?`", test):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {function}(" in text if function else "def test_" in text
