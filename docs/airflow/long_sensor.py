"""A sensor that gives its slot back between two looks: one attempt, however often it looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
    """A sensor that waits until data are due, and a task that reads them."""

    @task
    def announced() -> str:
        return (datetime.now(UTC) + timedelta(seconds=20)).isoformat()

    # Longer than a task takes to end: Airflow fails a sensor whose next look is due before the last one is over.
    @task.sensor(poke_interval=15, timeout=600, mode="reschedule")
    def arrived(due: str) -> bool:
        return datetime.now(UTC) >= datetime.fromisoformat(due)

    @task
    def read() -> None:
        """Read what has arrived."""

    arrived(announced()) >> read()


long_sensor()
