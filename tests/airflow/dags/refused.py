"""A task that no process ever begins, for its log cannot be opened: the tests put a file where its folder should be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.airflow.authoring import AIRFLOW_3, dag, task


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"])
def refused() -> None:
    """Two tries, of which none begins."""

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def never_begins() -> None: ...

    never_begins()


if AIRFLOW_3:
    refused()
