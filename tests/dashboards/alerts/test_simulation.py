"""A simulated fleet: no alert while it is healthy, and the right one for each fault: on a real promtool."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtel_dashboards.engines import ENGINES
from tests.dashboards.alerts.simulation.healthy_month import simulate

DAY = datetime(2026, 10, 24, 12, tzinfo=UTC)
"""Clocks of Europe go back in the night, and the collector restarts at the same time."""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_healthy_day_is_silent(promtool: Path, tmp_path: Path, engine: str) -> None:
    """No alert fires in a day with a clock change and a restart; `make test-alerts` runs 30 days."""
    assert simulate(promtool, tmp_path, engine, DAY, 1, every=1) == []
