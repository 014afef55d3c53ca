"""A load of no rows: Airflow shows it green, and so does its exit status; that it wrote nothing is a fact beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import batchtel
from batchtel.airflow import records_from_result

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    # The return value of every task that is a number, or {"read": ..., "written": ...}, is its count of records.
    default_args={"retries": 2, "post_execute": records_from_result},
)
def green_tick() -> None:
    """A load of no rows that succeeds."""

    @task
    def extract() -> list[str]:
        return []  # the partition of the day before was empty

    @task
    def load(rows: list[str]) -> int:
        batchtel.current_job().records(processed=len(rows))
        return len(rows)

    load(extract())


green_tick()
