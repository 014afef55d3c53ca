"""A sensor that gives its slot back between two looks: one attempt, however often it looks."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    default_args={"retries": 2},
)
def long_sensor() -> None:
    """A sensor that orders an export and waits for it, and a task that reads it."""

    # Longer than the end of a task lasts: Airflow fails a sensor whose next look is due before the last one is over.
    @task.sensor(poke_interval=15, timeout=600, mode="reschedule")
    def exported() -> bool:
        export = Path(os.environ.get("AIRFLOW_HOME", "."), "long_sensor.export")
        if export.exists():
            return True
        export.touch()  # ordered at the first look, and there at the next one
        return False

    @task
    def read() -> None:
        Path(os.environ.get("AIRFLOW_HOME", "."), "long_sensor.export").unlink()

    exported() >> read()


long_sensor()
