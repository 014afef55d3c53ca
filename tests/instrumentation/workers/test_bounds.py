"""A collector that hangs costs a job 2 s in all, whatever the number of its processes."""

from __future__ import annotations

import pytest

from tests.instrumentation.bounds import CASES, Case, measure

SLACK = 0.5
"""Seconds by which workers that end at the same time may miss each other."""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.compatible(
    "Places",
    "a collector that hangs",
    "nothing; the run is lost, or spooled",
    notices="the end of all its processes is 2 s later, 3 s with a spool; one warning",
)
def test_a_hanging_collector_costs_2_s_in_all(case: Case, hanging: str) -> None:
    """Workers and child programs included; the last process still waits, for what all of them left."""
    assert 0.0 < measure(case, hanging).allowed < min(2.0, case.bound) + SLACK
