"""Ten mapped tasks that fail at once: the Pushgateway shows one failure, batchtel counts ten."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.airflow.authoring import dag, task


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], default_args={"retries": 0})
def race() -> None:
    """Ten mapped tasks that fail at once."""

    @task
    def fail(number: int) -> None:
        raise ValueError(f"record {number} cannot be read")

    fail.expand(number=list(range(10)))


race()
