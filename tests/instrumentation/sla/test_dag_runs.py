"""A DAG run that Airflow's scheduler reports, compared with the deadline of its job."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batchtel.airflow.dag_run import ReportedRun
from batchtel.airflow.facts import DagRun
from batchtel.base.outcome import Outcome
from batchtel.testing import Captured

pytest_plugins = ["batchtel.testing.fixture"]


@pytest.mark.parametrize(("run_type", "violations"), [("scheduled", 1), ("backfill", 0)])
def test_a_deadline(
    captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_type: str, violations: int
) -> None:
    """A run that is late misses it, once; one of the same time that makes up for the past was never to meet it."""
    file, passed = tmp_path / "jobs.toml", (datetime.now(UTC) - timedelta(minutes=1)).strftime("%H:%M")
    file.write_text(f'[jobs.daily.sla]\nmust_complete_by.time = "{passed}"\n')
    monkeypatch.setenv("BATCHTEL_CATALOGUE", str(file))
    now = time.time()
    run = DagRun("daily", "1", run_type, "success", now - 7200, now - 10, now - 5, now, traceparent="")
    ReportedRun(run).report_start()
    ReportedRun(run).report_end(Outcome("success"))
    assert captured.counter("batch.job.completions", job_name="daily", status="success") == 1
    assert captured.counter("batch.job.sla.violations", job_name="daily") == violations
