"""Two runs of a DAG with a schedule, of which Airflow measures more than of one that runs once."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.airflow.authoring import dag, task

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@dag(schedule="@daily", start_date=FIRST, end_date=LAST, catchup=True, tags=["batchtel"], default_args={"retries": 2})
def daily() -> None:
    """One task."""

    @task
    def count() -> int:
        return 1

    count()


daily()
