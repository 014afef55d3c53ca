"""How long each suite has run, beside the seconds of its budget: a table at the end of a run, which fails nothing."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

BUDGETS: Final = Path(__file__).parent.parent / "budgets.toml"

FILES: Final = "files"
"""The suite of the test files that lie beside the folders."""


def suite_of(nodeid: str) -> str:
    """Return the suite of a test: the first folder below tests/, such as `pipeline`."""
    _, *below = PurePosixPath(nodeid.partition("::")[0]).parts
    return below[0] if len(below) > 1 else FILES


def budgets() -> dict[str, float]:
    """Return the seconds of each suite in budgets.toml."""
    found: dict[str, float] = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["seconds"]
    return found


def table(spent: Mapping[str, float], allowed: Mapping[str, float]) -> list[str]:
    """Return a line for each suite that has run, the longest first, and one for all; seconds without fractions."""
    lines = [f"{'suite':<16}{'seconds':>8}{'budget':>8}"]
    for suite, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        budget = allowed.get(suite)
        mark = "  no budget" if budget is None else "  over" if seconds > budget else ""
        lines.append(f"{suite:<16}{seconds:>8.0f}{'' if budget is None else f'{budget:.0f}':>8}{mark}")
    return [*lines, f"{'all':<16}{sum(spent.values()):>8.0f}"]


class Durations:
    """A plugin of pytest that adds up how long the tests of each suite have run, with their fixtures.

    With several workers the seconds of all are added, so they are more than the run has lasted.
    """

    def __init__(self) -> None:
        self._spent: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test: its fixtures, itself, or their end."""
        self._spent[suite_of(report.nodeid)] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        if self._spent:
            terminalreporter.section("seconds of each suite (tests/budgets.toml)")
            for line in table(self._spent, budgets()):
                terminalreporter.write_line(line)
