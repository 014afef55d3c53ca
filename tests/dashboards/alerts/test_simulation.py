"""A simulated fleet: no alert while it is healthy, and the right one for each fault: on a real promtool."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtel_dashboards.engines import ENGINES
from tests.dashboards.alerts.simulation import faults, healthy_month

DAY = datetime(2026, 10, 24, 12, tzinfo=UTC)
"""Clocks of Europe go back in the night, and the collector restarts at the same time."""

PAGE = Path(__file__).parents[3] / "docs/alerts.md"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_healthy_day_is_silent(promtool: Path, tmp_path: Path, engine: str) -> None:
    """No alert fires in a day with a clock change and a restart; `make test-alerts` runs 30 days."""
    assert healthy_month.simulate(promtool, tmp_path, engine, DAY, 1, every=1) == []


@pytest.mark.parametrize(("column", "engine"), [*enumerate(ENGINES)])
def test_each_fault_is_detected_in_time(promtool: Path, tmp_path: Path, column: int, engine: str) -> None:
    """The minutes are those of the page, and no alert is about a job without a fault."""
    minutes, others = faults.delays(faults.simulate(promtool, tmp_path, engine))
    assert others == []
    rows = re.findall(r"^\| (.+) \| (Batch\w+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    assert [(story, alert) for story, alert, *_ in rows] == [(fault.story, fault.alert) for fault in faults.FAULTS]
    assert {story: int(times[column]) for story, _, *times in rows} == minutes
