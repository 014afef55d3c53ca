"""Which of the open runs of a job its heartbeats count."""

from __future__ import annotations

from typing import Final

import pytest

from batchtel_dashboards.history import assembly
from batchtel_dashboards.history.liveness import Live, judged
from batchtel_dashboards.history.run import LOST, RUNNING
from batchtel_dashboards.stores import Record

NOW: Final = 1_000_000.0
WHO: Final = ("shop", "", "load")


def statuses(alive: float | None, **ages: float) -> dict[str, str]:
    """Return the status of open runs that started so many seconds ago, by their ids; None is no heartbeats at all."""
    identity = {"service.name": "shop", "batch.job.name": "load", "event_name": "batch.run.started"}
    records = [Record(int((NOW - age) * 1e9), "", {**identity, "batch.run.id": name}) for name, age in ages.items()]
    counted: Live = {} if alive is None else {WHO: alive}
    return {run.identity.run_id: run.status for run in judged(assembly.runs(records), counted, NOW)}


@pytest.mark.parametrize(
    ("alive", "ages", "expected"),
    [
        (1.0, {"old": 7200, "new": 600}, {"old": LOST, "new": RUNNING}),
        (2.0, {"old": 7200, "new": 600}, {"old": RUNNING, "new": RUNNING}),
        (0.0, {"old": 7200, "new": 600}, {"old": LOST, "new": LOST}),
        # A run that has just started has no heartbeats that count: they are those of the other.
        (1.0, {"long": 600, "young": 20}, {"long": RUNNING, "young": RUNNING}),
        (0.0, {"long": 600, "young": 20}, {"long": LOST, "young": RUNNING}),
        # A clock that is ahead makes no run young for an hour.
        (0.0, {"ahead": -3600}, {"ahead": LOST}),
        (1.0, {"ahead": -3600}, {"ahead": RUNNING}),
        (None, {"dag": 90000}, {"dag": RUNNING}),
    ],
)
def test_the_newest_that_are_not_young_are_live(
    alive: float | None, ages: dict[str, float], expected: dict[str, str]
) -> None:
    """As many as heartbeats count; a job without heartbeats, such as a DAG, is reported by who watches it."""
    assert statuses(alive, **ages) == expected
