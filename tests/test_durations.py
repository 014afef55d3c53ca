"""The table of seconds that a run of the tests ends with."""

from __future__ import annotations

from pathlib import Path

from tests.support import durations


def test_every_suite_has_a_budget() -> None:
    """A budget is there for each folder of tests and for the files beside them, and for nothing else."""
    suites = {file.parent.relative_to(Path(__file__).parent).parts for file in Path(__file__).parent.rglob("test_*.py")}
    assert {parts[0] if parts else durations.FILES for parts in suites} == set(durations.budgets())


def test_what_is_over_is_marked() -> None:
    """The longest suite is first; one over its budget, and one without any, are marked."""
    spent = {"docs": 80.4, "pipeline": 700.6, "new": 1.0}
    assert durations.table(spent, {"docs": 81, "pipeline": 700, "stack": 1}) == [
        "suite            seconds  budget",
        "pipeline             701     700  over",
        "docs                  80      81",
        "new                    1          no budget",
        "all                  782",
    ]


def test_suites_are_folders() -> None:
    """A test belongs to the first folder below tests/, whatever is in its own name."""
    assert durations.suite_of("tests/pipeline/test_limits.py::test_it[a/b::c]") == "pipeline"
    assert durations.suite_of("tests/instrumentation/sla/test_rules.py::test_it") == "instrumentation"
    assert durations.suite_of("tests/test_wheel.py::test_it") == durations.FILES
