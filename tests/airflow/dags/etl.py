"""Two tasks that succeed, and report their records and a job of their own by plain calls of batchtel."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import batchtel
from tests.airflow.authoring import dag, task, task_group


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], default_args={"retries": 2})
def etl() -> None:
    """Extract, and load in a group."""

    @task
    def extract() -> int:
        batchtel.current_step().records(read=7)
        logging.getLogger("etl").warning("seven records are read")
        return 7

    @task_group
    def store(count: int) -> None:
        @task
        def load(count: int) -> None:
            batchtel.current_step().records(written=count)
            batchtel.current_job().records(processed=count)
            with batchtel.job("etl_check") as job:
                job.records(processed=count)

        load(count)

    store(extract())


etl()
