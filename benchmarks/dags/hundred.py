"""TASKS tasks side by side that do nothing: all that a run costs is Airflow, and what is added to it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["benchmark"], default_args={"retries": 0})
def hundred() -> None:
    """TASKS tasks that do nothing."""

    @task
    def nothing() -> None:
        return None

    for number in range(int(os.environ["TASKS"])):
        nothing.override(task_id=f"task_{number}")()


hundred()
