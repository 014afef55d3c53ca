"""What is different first: in the order in which steps ran."""

from __future__ import annotations

import pytest

from batchtel_dashboards.history import assembly, comparison
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.stores import Record

ID = {"service.name": "shop", "batch.job.name": "load", "batch.run.id": "r-1", "batch.status": "success"}


def run(*steps: str) -> Run:
    """Return a run with these steps, one after the other."""
    ends = [
        Record(number * 10**9, "", {**ID, "event_name": "batch.step.finished", "batch.step.name": name})
        for number, name in enumerate(steps, 1)
    ]
    (found,) = assembly.runs([*ends, Record(99 * 10**9, "", {**ID, "event_name": "batch.run.finished"})])
    return found


@pytest.mark.parametrize(
    ("ours", "theirs", "order", "first"),
    [
        ("b c", "a b c", "a b c", "step a is not there"),
        ("a b", "a b c", "a b c", "step c is not there"),
        ("a x b", "a b", "a x b", "step x is success"),
        ("x", "a b", "a b x", "step a is not there"),
        ("b a", "a b", "b a", None),
        ("", "a", "a", "step a is not there"),
        ("a", "a a", "a a_#2", "step a #2 is not there"),
        ("a b a", "a b a", "a b a_#2", None),
    ],
)
def test_a_step_that_is_missing_has_its_place(ours: str, theirs: str, order: str, first: str | None) -> None:
    """Before those that followed it in the other run, and the first of what differs."""
    rows = comparison.rows(run(*ours.split()), run(*theirs.split()))
    expected = [f"step {name.replace('_', ' ')}" for name in order.split()]
    assert {row.what for row in rows if row.what.startswith("step ")} == set(expected)
    if first is not None:
        assert [row.what for row in rows if row.what.startswith("step ")] == expected
        assert first in comparison.first(rows)
    else:
        assert comparison.first(rows) == "Nothing that is recorded differs."
