"""Ten mapped tasks that fail: the Pushgateway shows one failure for their one grouping key, batchtel counts ten."""

from __future__ import annotations

from datetime import UTC, datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


# No retries: all ten are to fail, and to fail at once.
@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    default_args={"retries": 0},
)
def race() -> None:
    """Ten mapped tasks that fail at the same moment."""

    @task
    def fail(number: int) -> None:
        raise ValueError(f"record {number} cannot be read")

    fail.expand(number=list(range(10)))


race()
