"""Extract, transform one task a file, load: rows are counted by what the tasks return, and by what they report."""

from __future__ import annotations

from datetime import UTC, datetime

import batchtel
from batchtel.airflow import records_from_result

try:
    from airflow.sdk import dag, task, task_group
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task, task_group

FILES = {"north.csv": 120, "south.csv": 80, "west.csv": 0}


@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    default_args={"retries": 2},
)
def mapped_etl() -> None:
    """Extract, transform one task a file, and load in a group of tasks."""

    @task
    def extract() -> list[str]:
        batchtel.current_step().inputs(*FILES)
        return list(FILES)

    # As many tasks as there are files are one step: the index of each is on its span, never a label.
    @task(post_execute=records_from_result)
    def transform(file: str) -> dict[str, int]:
        rows = FILES[file]
        return {"read": rows, "written": rows - rows // 40, "failed": rows // 40}

    @task_group
    def store(counts: list[dict[str, int]]) -> None:
        @task
        def load(counts: list[dict[str, int]]) -> None:
            written = sum(count["written"] for count in counts)
            batchtel.current_step().records(written=written)
            batchtel.current_job().records(processed=written)
            batchtel.current_step().outputs("orders")

        load(counts)

    store(transform.expand(file=extract()))


mapped_etl()
