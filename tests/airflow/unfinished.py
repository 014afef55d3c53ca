"""Tasks for DAG files: one for each way in which a task can be unfinished."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from tests.airflow.authoring import DeferringOperator, EmptyOperator, task

LONG = timedelta(hours=1)

ONCE = {"schedule": "@once", "start_date": datetime(2026, 1, 1, tzinfo=UTC), "tags": ["batchtel"]}
"""Settings of a DAG that runs once, by itself."""


def unfinished_tasks() -> None:
    """Add a task that runs, one that waits for its next try, one that is deferred, and one that has not begun."""

    @task
    def runs() -> None:
        time.sleep(600)

    @task(retries=1, retry_delay=LONG)
    def waits_for_retry() -> None:
        raise ConnectionError("not yet")

    waits_for_retry()
    DeferringOperator(task_id="deferred", seconds=3600)
    runs() >> EmptyOperator(task_id="never_began")


def unfinished_sensor() -> None:
    """Add a sensor that waits for its next poke."""

    @task.sensor(poke_interval=3000, timeout=6000, mode="reschedule")
    def waits_for_poke() -> bool:
        return False

    waits_for_poke()
