"""A task that fails twice and then succeeds: one success with two retries, not two failures that stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

try:
    from airflow.sdk import dag, get_current_context, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.operators.python import get_current_context


@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
)
def retry() -> None:
    """A task that fails twice and then succeeds."""

    @task
    def fetch() -> None:
        if get_current_context()["ti"].try_number < 3:
            raise ConnectionError("the source is not up yet")

    fetch()


retry()
